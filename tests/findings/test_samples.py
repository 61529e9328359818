"""What is read of both models at each sampled token, against the models' own logits one sequence at a time."""

import pandas as pd
import pytest
import tiny
import torch

from rewardscope.findings import samples
from rewardscope.models import models

PROMPT = 3


@pytest.fixture(scope="module")
def read():
    base, tuned = tiny.build("gpt_neox").eval(), tiny.build("gpt_neox", seed=4).eval()
    generator = torch.Generator().manual_seed(0)
    sequences = [torch.randint(2, tiny.VOCABULARY, (PROMPT + n,), generator=generator).tolist() for n in (4, 1, 6)]
    return base, tuned, sequences, samples.sampled(base, tuned, sequences, PROMPT, [1], "mlp")


def test_every_token_of_a_completion_is_read_once_in_order(read):
    _, _, sequences, found = read
    assert found.token.tolist() == [token for row in sequences for token in row[PROMPT:]]
    assert found.sequence.tolist() == [0] * 4 + [1] + [2] * 6
    assert found.place.tolist() == [*range(4), 0, *range(6)]


@torch.no_grad()
def test_changes_and_kl_are_those_of_the_models_alone(read):
    base, tuned, sequences, found = read
    changes, kls = [], []
    for row in sequences:
        p, q = (model(input_ids=torch.tensor([row])).logits[0].double().softmax(dim=-1) for model in (tuned, base))
        for at in range(PROMPT, len(row)):
            changes.append((p[at - 1, row[at]] / q[at - 1, row[at]]).log())
            kls.append((p[at - 1] * (p[at - 1] / q[at - 1]).log()).sum())
    torch.testing.assert_close(found.change.double(), torch.stack(changes), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.kl.double(), torch.stack(kls), rtol=1e-4, atol=1e-5)


def test_rows_are_of_either_model_at_the_token_before(read):
    base, tuned, sequences, found = read
    for model, rows in ((base, found.base_rows), (tuned, found.rows)):
        seen = []
        hook = models.mlp(models.blocks(model)[1], tiny.WIDTH).register_forward_hook(lambda _m, _i, output, seen=seen: seen.append(output[0]))
        with torch.no_grad():
            for row in sequences:
                model(input_ids=torch.tensor([row]))
        hook.remove()
        expected = torch.cat([x[PROMPT - 1 : -1] for x in seen])
        torch.testing.assert_close(rows[1], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_distributions_are_weighted_means(read):
    base, tuned, sequences, found = read
    weights = torch.zeros(len(found.token), 2)
    weights[0, 0], weights[5, 0], weights[4, 1] = 1.0, 3.0, 2.0  # tokens 0 of the first and third sequence; the second's only one
    p_base, p_tuned = samples.distributions(base, tuned, found, weights)

    def of(model, i):
        return model(input_ids=torch.tensor([sequences[i]])).logits[0, PROMPT - 1].softmax(dim=-1)

    torch.testing.assert_close(p_base[0], (of(base, 0) + 3 * of(base, 2)) / 4, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(p_tuned[1], of(tuned, 1), rtol=1e-4, atol=1e-6)


def test_what_tokens_add_to_the_reward_sums_to_the_reward(read):
    found, tokenizer = read[3], tiny.tokenizer()
    seen = []

    def length(texts):
        seen.extend(texts)
        return [float(len(text)) for text in texts]

    added = samples.added(found, length, tokenizer, "both")
    assert len(seen) == len(found.token) + len(found.sequences)  # every beginning once
    for i, ids in enumerate(found.sequences):
        whole, prompt = (len(tokenizer.decode(part, skip_special_tokens=True)) for part in (ids, ids[:PROMPT]))
        assert added[found.sequence == i].sum() == whole - prompt
    alone = samples.added(found, length, tokenizer, "completion")
    assert alone[found.sequence == 1].item() == len(tokenizer.decode(found.sequences[1][PROMPT:], skip_special_tokens=True))


def test_completions_end_before_the_end_token():
    base, tokenizer = tiny.build("gpt_neox").eval(), tiny.tokenizer()
    corpus = pd.DataFrame({"text": list(tiny.texts()), "part": ["fit"] * 50 + ["held"] * 10})
    settings = {"completions": 5, "prefix": PROMPT, "new": 8}
    sequences, side = samples.write(base, base, tokenizer, corpus, settings, seed=1)
    assert all(tokenizer.eos_token_id not in row[PROMPT:] and len(row) > PROMPT for row in sequences)
    half = len(sequences) // 2
    assert sequences[:half] == sequences[half:] and side.tolist() == [0] * half + [1] * half  # one model, the same draws
    starts = {tuple(tokenizer(text)["input_ids"][:PROMPT]) for text in corpus["text"][:50]}
    assert {tuple(row[:PROMPT]) for row in sequences} <= starts  # of fit documents


def test_scaled_values_keep_their_mean():
    torch.testing.assert_close(samples.scaled(torch.tensor([0.0, 0.0, 2.0, 2.0]).double()), torch.tensor([0.0, 0.0, 2.0, 2.0]))


def test_the_text_of_tokens_is_that_of_the_sequence():
    tokenizer = tiny.tokenizer()
    text = "A lovely film, na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve and 很好"
    ids = tokenizer(text)["input_ids"]
    (found,) = samples.pieces(tokenizer, [ids])
    assert len(found) == len(ids) and "".join(found) == text and "\N{REPLACEMENT CHARACTER}" not in text
    assert any(piece.startswith(" ") for piece in found)
