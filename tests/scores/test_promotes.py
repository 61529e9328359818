"""What adding a feature does to the next token: a model whose answer is known, an MLP's bias, and claims that can be counted."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import tiny
import tiny_tokenizers
import torch
from safetensors.torch import save_file

from rewardscope import checksums
from rewardscope.activations.batches import plan
from rewardscope.activations.extract import extract
from rewardscope.activations.shards import buffers
from rewardscope.explain.evidence import of_seeds
from rewardscope.explain.tokens import strongest
from rewardscope.models import models
from rewardscope.rewards.vocabulary import whole_words
from rewardscope.sae.fire import fire
from rewardscope.sae.train import train
from rewardscope.scores.promotes import changes, means, score

IDS = torch.randint(2, tiny.VOCABULARY, (3, 7), generator=torch.Generator().manual_seed(1))
ROWS = torch.randn(2, tiny.WIDTH, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_at_the_last_block_by_hand(kind):
    """Nothing but norm and unembedding is behind it: their outputs with and without the row, written out."""
    model, last = tiny.build(kind), tiny.LAYERS - 1
    seen = {}
    handle = models.final_norm(model)[0].register_forward_pre_hook(lambda _m, inputs: seen.update(x=inputs[0]))
    with torch.no_grad():
        model(input_ids=IDS)
        handle.remove()
        for at in ("mlp", "residual"):
            found = changes(model, last, at, ROWS, IDS)
            for row, change in zip(ROWS, found, strict=True):
                unembed = lambda x: models.final_norm(model)(x) @ model.get_output_embeddings().weight.T
                expected = (unembed(seen["x"] + row) - unembed(seen["x"]))[:, 1:].double().mean((0, 1))
                torch.testing.assert_close(change, expected - expected.mean(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layer", range(tiny.LAYERS))
def test_against_a_changed_bias(layer):
    """An MLP's output bias adds a row at every position, the first too, so on sequences whose first token is masked off it is the same."""
    model = tiny.build("gpt_neox")
    found = changes(model, layer, "mlp", ROWS, IDS)
    mlp = models.mlp(models.blocks(model)[layer], tiny.WIDTH)
    bias = mlp.dense_4h_to_h.bias
    with torch.no_grad():
        before, kept = model(input_ids=IDS).logits, mlp(torch.zeros(1, 1, tiny.WIDTH))
        for row, change in zip(ROWS, found, strict=True):
            old = bias.clone()
            first = mlp.register_forward_hook(lambda _m, _i, out, row=row: torch.cat([out[:, :1] - row, out[:, 1:]], dim=1))
            bias += row
            expected = (model(input_ids=IDS).logits - before)[:, 1:].double().mean((0, 1))
            bias.copy_(old)
            first.remove()
            torch.testing.assert_close(change, expected - expected.mean(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(mlp(torch.zeros(1, 1, tiny.WIDTH)), kept)  # no hook is left


def test_layers_differ_and_hooks_are_gone():
    model = tiny.build("gpt_neox")
    before = model(input_ids=IDS).logits
    first, last = (changes(model, layer, "mlp", ROWS, IDS) for layer in (0, tiny.LAYERS - 1))
    assert not torch.allclose(first, last, atol=1e-3)
    torch.testing.assert_close(model(input_ids=IDS).logits, before)
    assert changes(model, 0, "mlp", ROWS[:0], IDS).shape == (0, tiny.VOCABULARY)


def test_logits_and_log_probabilities_have_the_same_signs():
    model, row = tiny.build("gpt_neox"), ROWS[:1]
    found = changes(model, 1, "mlp", row, IDS)[0]
    place = models.mlp(models.blocks(model)[1], tiny.WIDTH)
    add = lambda _m, _i, out: torch.cat([out[:, :1], out[:, 1:] + row[0]], dim=1)
    with torch.no_grad():
        before = model(input_ids=IDS).logits.log_softmax(-1)
        handle = place.register_forward_hook(add)
        change = (model(input_ids=IDS).logits.log_softmax(-1) - before)[:, 1:].double().mean((0, 1))
        handle.remove()
    torch.testing.assert_close(found, change - change.mean(), atol=1e-5, rtol=1e-4)


A, B, C, D, E = WORDS = torch.arange(5)  # of 6 tokens; 5 is punctuation, and rises most


def line(raised: list[int], lowered: list[int], feature: int = 0) -> dict:
    """Claims by token id; all texts are alike, as nothing goes by them."""
    both = {"raised": [{"id": int(t), "token": " x"} for t in raised], "lowered": [{"id": int(t), "token": " x"} for t in lowered]}
    return {"place": 1 + feature, "feature": feature, "explainer": "tokens", **both}


def test_score_by_hand():
    change = torch.tensor([[2.0, 1.0, 0.5, -1.0, -3.0, 9.0]])
    one = score([line([A, C, D], [E, B])], [line([B], [D, E, A], 1)], change, WORDS).iloc[0]
    assert (one["feature"], one["other"], one["unparsed"]) == (0, 1, 0)
    assert (one["raised_own"], one["lowered_own"]) == pytest.approx((2 / 3, 1 / 2))
    assert (one["raised_other"], one["lowered_other"]) == pytest.approx((1, 2 / 3))
    assert (one["raised_empty"], one["lowered_empty"]) == pytest.approx((3 / 5, 2 / 5))
    assert (one["most_raised_own"], one["most_lowered_own"]) == pytest.approx((2 / 3, 1 / 2))  # a, b, c rise most; e, d fall
    assert (one["most_raised_other"], one["most_lowered_other"]) == pytest.approx((0, 2 / 3))  # a; e, d, c
    assert (one["most_raised_empty"], one["most_lowered_empty"]) == pytest.approx((3 / 5, 2 / 5))


def test_nothing_claimed_is_no_score():
    one = score([line([], [])], [line([A], [])], torch.tensor([[1.0, -1.0]]), WORDS[:2]).iloc[0]
    assert math.isnan(one["raised_own"]) and math.isnan(one["most_lowered_own"]) and one["raised_other"] == 1


def test_right_claims_against_wrong_ones():
    """The explainer's own claims about rows of a model, at its last block; then those of the opposite row."""
    model = tiny.build("gpt_neox")
    tokens = range(2, tiny.VOCABULARY)
    words = pd.DataFrame({"token": tokens, "text": [f" word{token}" for token in tokens]})
    raised, lowered = strongest(models.promoted(model, ROWS), words, 4)
    said = [line([t["id"] for t in r], [t["id"] for t in w]) for r, w in zip(raised, lowered, strict=True)]
    wrong = [line([t["id"] for t in w], [t["id"] for t in r]) for r, w in zip(raised, lowered, strict=True)]
    table = score(said, wrong, changes(model, tiny.LAYERS - 1, "mlp", ROWS, IDS), torch.tensor(tokens))
    assert table["raised_own"].mean() > 0.9 and table["lowered_own"].mean() > 0.9
    assert table["raised_other"].mean() < 0.1 and table["most_raised_other"].mean() == 0 < table["most_raised_own"].mean()


def test_means():
    fires = pd.DataFrame({"feature": [4, 4, 9], "value": np.float32([1, 2, 5])})
    assert means(fires, [9, 4, 3]).tolist() == [5, 1.5, 0]


@pytest.mark.parametrize(
    ("kind", "of_tokens"),
    [
        ("gemma", "bytes"), ("gemma2", "bytes"), ("olmo2", "bytes"), ("gpt_neox", "bytes"), ("gpt_neo", "unigram"), ("gpt2", "wordpiece"),
        ("llama", "unigram"), ("qwen2", "cased wordpiece"),
    ],
)  # fmt: skip
def test_from_activations_to_scores(kind, of_tokens, tmp_path):
    """What the last layer's features are said to promote, the model does, and an independent product says so.

    Norms that take the mean away, scale by their weight or by 1 + weight, or stand behind the MLP; tokenizers of bytes, of SentencePiece's forms
    and of WordPiece.
    """
    model, last = tiny.normed(kind), tiny.LAYERS - 1
    tokenizer = tiny.tokenizer() if of_tokens == "bytes" else tiny_tokenizers.FAMILIES[of_tokens](list(tiny.texts()))
    corpus = pd.DataFrame({"text": tiny.texts(), "part": ["fit", "fit", "held"] * 20})
    settings = {"at": "mlp", "tokens": 20, "dtype": "float32", "batch_tokens": 400, "shard_tokens": 300}
    of = plan(tokenizer, corpus, settings, 5, "films")
    extract(model, of, {"top1": last}, settings, tmp_path)
    rows = lambda _epoch: buffers(tmp_path / "top1", "fit", torch.Generator().manual_seed(1))
    recipe = {"tied": True, "l1_on": "activations", "epochs": 2, "learning_rate": 0.003, "frozen_decoder": False, "precision": "float32"}
    sae, _ = train(rows, tiny.WIDTH, 24, recipe, 0.01, 64, [3], "cpu")
    save_file(sae.tensors(0), tmp_path / "sae.safetensors")
    checksums.write(tmp_path)
    pd.DataFrame({"place": range(1, 9), "small": range(8)}).to_parquet(tmp_path / "features")
    index = pd.read_parquet(tmp_path / "tokens.parquet", columns=["document", "position"])
    held = (x for part in ("fit", "held") for x in buffers(tmp_path / "top1", part, None))
    fire([sae], [np.arange(8)], held, index)[0].to_parquet(tmp_path / "fires")
    every = range(2, tiny.VOCABULARY)  # few tokens of so small a vocabulary of bytes are words
    named = pd.DataFrame({"token": every, "text": [tokenizer.decode([token]) for token in every]})
    words = named if of_tokens == "bytes" else whole_words(list(tiny.texts()), tokenizer)
    tokens = words["token"].tolist()
    assert 20 < len(tokens) and max(tokens) < tiny.VOCABULARY
    files = [[str(tmp_path / name)] for name in ("features", "fires", "sae.safetensors")]
    (shown,) = of_seeds(*files, model, words, set(corpus.index[corpus["part"] == "fit"]), 8, 5)

    weight, directions = models.final_norm(model)[0].weight.detach(), sae.w_dec[0][:8]
    if kind in ("gpt_neox", "gpt_neo", "gpt2"):
        directions = directions - directions.mean(dim=1, keepdim=True)
    product = directions * (1 + weight if kind.startswith("gemma") else weight) @ model.get_output_embeddings().weight.detach().T
    spelt = {token: re.sub("^▁", " ", tokenizer.convert_ids_to_tokens(token)) for token in tokens}
    for feature, logits in zip(shown, product[:, tokens].tolist(), strict=True):
        ranked = [token for _, token in sorted(zip(logits, tokens, strict=True))]
        for side, expected in (("raised", ranked[:-6:-1]), ("lowered", ranked[:5])):
            assert [t["id"] for t in feature[side]] == expected
            if of_tokens != "bytes":
                assert [t["token"].strip() for t in feature[side]] == [spelt[token].strip() for token in expected]

    said = [line(*([t["id"] for t in f[side]] for side in ("raised", "lowered")), f["feature"]) for f in shown]
    added = 0.01 * sae.w_dec[0][:8]  # a feature's own share of so small a residual would turn it round
    table = score(said, said[1:] + said[:1], changes(model, last, "mlp", added, IDS), torch.tensor(tokens))
    assert table["raised_own"].mean() > 0.95 and table["lowered_own"].mean() > 0.95 and table["most_raised_own"].mean() > 0.6
    assert table["raised_other"].mean() < 0.9
