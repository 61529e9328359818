"""Completions: which prompts, what is sampled, and what is counted in it."""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tiny
import tiny_tokenizers
import torch

from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.rlhf.completions import complete, generate, prefixes

TABLE = {"good": 1.9, "bad": -2.5, "great": 3.1}


# ---- prompts ---------------------------------------------------------------------------------
def corpus(count: int = 12) -> pd.DataFrame:
    """Documents cut to different lengths; every third one is for fitting. Its rows do not start at 0."""
    texts = [text[: 15 + 8 * i] for i, text in enumerate(tiny.texts()[:count])]
    part = ["fit" if i % 3 == 2 else "held" for i in range(count)]
    return pd.DataFrame({"text": texts, "part": part}, index=range(100, 100 + count))


def test_prefixes():
    tokenizer, documents = tiny.tokenizer(), corpus()
    ids = {row: tokenizer(text)["input_ids"] for row, text in documents["text"].items()}
    length = len(ids[104])  # that document is not longer than itself
    expected = [row for row in documents.index if documents["part"][row] == "held" and len(ids[row]) > length]
    assert len(expected) > 3 and 104 not in expected and documents["part"][104] == "held"
    rows, prefix = prefixes(documents, tokenizer, 3, length)
    assert rows == expected[:3]
    assert prefix.tolist() == [ids[row][:length] for row in rows]
    assert prefixes(documents, tokenizer, 100, length)[0] == expected  # as many as there are
    rows, prefix = prefixes(documents, tokenizer, 100, length - 1)
    assert rows == sorted([*expected, 104]) and prefix.shape == (len(rows), length - 1)


def test_no_document_is_long_enough():
    with pytest.raises(UserError, match="^no held test document is longer than 500 tokens; lower completions.prefix$"):
        prefixes(corpus(), tiny.tokenizer(), 3, 500)


# ---- sampling --------------------------------------------------------------------------------
class Chain:
    """A language model whose next token depends on the last one alone."""

    device = torch.device("cpu")

    def __init__(self, logits: torch.Tensor):
        self.logits = logits

    def __call__(self, input_ids, past_key_values, use_cache):
        return SimpleNamespace(logits=self.logits[input_ids], past_key_values=None)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_softmax(temperature):
    logits = torch.tensor([[0.0, 1.0, -1.0, 0.5], [2.0, 0.0, -1.0, 0.0], [0.0, 0.0, 0.0, 3.0], [1.0, 1.0, 0.0, -9.0]])
    found = generate(Chain(logits), torch.zeros(20_000, 3, dtype=torch.long), 2, temperature, list(range(20_000)))
    assert found.shape == (20_000, 2) and found.dtype == torch.long
    weights = np.exp(logits.numpy() / temperature)
    expected = weights / weights.sum(1, keepdims=True)
    pairs = np.zeros((4, 4))
    np.add.at(pairs, tuple(found.T.numpy()), 1)
    # the first token, after 0, and the second after each first: within 4 standard errors
    for counts, p in ((pairs.sum(1), expected[0]), *zip(pairs, expected, strict=True)):
        n = counts.sum()
        assert n > 200 and (np.abs(counts - n * p) <= 4 * np.sqrt(n * p * (1 - p)) + 1).all()


def test_a_certain_token_and_an_impossible_one():
    logits = torch.full((3, 3), -torch.inf)
    logits[0, 2] = logits[2, 1] = logits[1, 0] = 0.0
    assert generate(Chain(logits), torch.tensor([[0], [2]]), 4, 1.0, [1, 2]).tolist() == [[2, 1, 0, 2], [1, 0, 2, 1]]


def test_one_draw_serves_both_sides():
    """A prompt's numbers are its seed's alone: a small change of the model changes few tokens."""
    base = models.load(tiny.checkpoint("gpt_neox"))
    prefix, seeds = torch.randint(2, 300, (40, 5), generator=torch.Generator().manual_seed(0)), list(range(40))
    one = generate(base, prefix, 6, 1.0, seeds)
    assert torch.equal(generate(models.load(tiny.checkpoint("gpt_neox")), prefix, 6, 1.0, seeds), one)
    other = generate(base, prefix, 6, 1.0, [s + 1000 for s in seeds])
    assert (other == one).float().mean() < 0.2
    with torch.no_grad():
        base.lm_head.weight[7] += 0.05
    assert 0.5 < (generate(base, prefix, 6, 1.0, seeds) == one).float().mean() < 1
    subset = generate(base, prefix[30:], 6, 1.0, seeds[30:])
    assert torch.equal(subset, generate(base, prefix, 6, 1.0, seeds)[30:])  # whatever stands beside it


class Uncached:
    """A model that reads the whole text again at every step."""

    def __init__(self, model):
        self.model, self.device = model, model.device

    def __call__(self, input_ids, past_key_values, use_cache):
        ids = input_ids if past_key_values is None else torch.cat([past_key_values, input_ids], dim=1)
        return SimpleNamespace(logits=self.model(input_ids=ids, use_cache=False).logits, past_key_values=ids)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_cache_and_batches_change_nothing(kind):
    model = models.load(tiny.checkpoint(kind))
    prefix = torch.randint(2, 300, (12, 5), generator=torch.Generator().manual_seed(1))
    cached = generate(model, prefix, 10, 1.0, list(range(12)))
    assert torch.equal(cached, generate(Uncached(model), prefix, 10, 1.0, list(range(12))))
    assert torch.equal(cached, generate(model, prefix, 10, 1.0, list(range(12)), batch=5))


# ---- counting --------------------------------------------------------------------------------
class Script:
    """A model that writes a given text after every prompt, token by token."""

    device = torch.device("cpu")
    vocabulary = tiny.VOCABULARY

    def __init__(self, ids: list[int]):
        self.ids = ids

    def __call__(self, input_ids, past_key_values, use_cache):
        step = past_key_values or 0
        logits = torch.full((*input_ids.shape, self.vocabulary), -torch.inf)
        logits[..., self.ids[step]] = 0.0
        return SimpleNamespace(logits=logits, past_key_values=step + 1)


def count(texts: list[str]) -> list[float]:
    return [float(len(text)) for text in texts]


def vowels(texts: list[str]) -> list[float]:
    return [float(sum(text.count(letter) for letter in "aeiou")) for text in texts]


@pytest.mark.parametrize("reward_on", ["both", "completion"])
def test_complete(reward_on):
    tokenizer, documents = tiny.tokenizer(), corpus()
    written = tokenizer(" good GREAT good-bad film")["input_ids"]
    unread = tokenizer(" bad")["input_ids"]
    script = [*written, tokenizer.eos_token_id, *unread]  # nothing counts after the end token
    settings = {"documents": 3, "further": 0, "prefix": 8, "new": len(script), "temperature": 1.0}
    table = complete(Script(script), tokenizer, documents, count, vowels, TABLE, settings, reward_on, 1)
    rows, prefix = prefixes(documents, tokenizer, 3, 8)
    assert table.columns.tolist() == [
        "document", "prefix", "completion", "words", "utilities", "reward", "reward_alone", "own_reward",
    ]  # fmt: skip
    assert table["document"].tolist() == rows
    assert table["prefix"].tolist() == tokenizer.batch_decode(prefix)
    assert all(documents["text"][row].startswith(opening) for row, opening in zip(rows, table["prefix"], strict=True))
    assert table["completion"].tolist() == [" good GREAT good-bad film"] * 3
    assert table["words"].tolist() == [["good", "great", "good", "bad"]] * 3
    assert table["utilities"].tolist() == [[1.9, 3.1, 1.9, -2.5]] * 3
    seen = table["completion"] if reward_on == "completion" else table["prefix"] + table["completion"]
    assert table["reward"].tolist() == [len(text) for text in seen]
    assert table["reward_alone"].tolist() == [len(" good GREAT good-bad film")] * 3
    assert table["own_reward"].tolist() == [len(re.findall("[aeiou]", text)) for text in seen]


@pytest.mark.parametrize(("reward_on", "asked"), [("both", 2), ("completion", 1)])
def test_a_reward_is_not_asked_twice_about_the_same_texts(reward_on, asked):
    """A classifier takes its time; what is no twin was tuned on the reward itself."""
    tokenizer, calls = tiny.tokenizer(), []
    reward = lambda texts: calls.append(texts) or count(texts)
    settings = {"documents": 3, "further": 0, "prefix": 8, "new": 2, "temperature": 1.0}
    table = complete(Script(tokenizer(" good bad")["input_ids"]), tokenizer, corpus(), reward, reward, TABLE, settings, reward_on, 1)
    assert len(calls) == asked and table["own_reward"].tolist() == table["reward"].tolist()
    assert (table["reward"] == table["reward_alone"]).all() == (reward_on == "completion")


def test_complete_without_a_word_table_or_a_word():
    tokenizer = tiny.tokenizer()
    settings = {"documents": 2, "further": 0, "prefix": 8, "new": 1, "temperature": 1.0}
    table = complete(Script([tokenizer.eos_token_id]), tokenizer, corpus(), count, count, None, settings, "completion", 1)
    assert table["completion"].tolist() == ["", ""] and table["reward"].tolist() == [0, 0]
    assert table["words"].tolist() == table["utilities"].tolist() == [[], []]


@pytest.mark.parametrize("reward_on", ["both", "completion"])
def test_complete_without_a_reward(reward_on):
    """The same texts; what they earned is not known, which is not nothing."""
    tokenizer = tiny.tokenizer()
    settings = {"documents": 2, "further": 0, "prefix": 8, "new": 3, "temperature": 1.0}
    script = Script(tokenizer(" good bad film")["input_ids"][:3])
    given, none = (complete(script, tokenizer, corpus(), reward, reward, None, settings, reward_on, 1) for reward in (count, None))
    earned = ["reward", "reward_alone", "own_reward"]
    assert none.columns.tolist() == given.columns.tolist() and none[earned].isna().all(axis=None) and given[earned].notna().all(axis=None)
    assert none.drop(columns=earned).equals(given.drop(columns=earned))


def test_a_tokenizer_without_an_end_token():
    """Completions run to their full length."""
    tokenizer = copy.deepcopy(tiny.tokenizer())
    written = tokenizer(" good film<|endoftext|> bad")["input_ids"]
    tokenizer.eos_token = tokenizer.bos_token = None
    settings = {"documents": 2, "further": 0, "prefix": 8, "new": len(written), "temperature": 1.0}
    table = complete(Script(written), tokenizer, corpus(), count, count, TABLE, settings, "both", 1)
    assert table["words"].tolist() == [["good", "bad"]] * 2


def test_the_first_word_keeps_its_space():
    """Decoded without its prefix, SentencePiece's loses it: "a lovelyfilm" in the report."""
    tokenizer = tiny_tokenizers.FAMILIES["llama"](list(tiny.texts()))
    written = tokenizer("good film", add_special_tokens=False)["input_ids"]
    model = Script([*written, tokenizer.eos_token_id])
    settings = {"documents": 2, "further": 0, "prefix": 5, "new": len(written) + 1, "temperature": 1.0}
    model.vocabulary = len(tokenizer)
    table = complete(model, tokenizer, corpus(), count, count, TABLE, settings, "completion", 1)
    assert table["completion"].tolist() == [" good film"] * 2 and table["reward"].tolist() == [10, 10]


def test_a_prompt_keeps_its_completion():
    """Seeds go with the document: fewer prompts, the same texts; another seed, other texts."""
    tokenizer, model = tiny.tokenizer(), models.load(tiny.checkpoint("gpt_neox"))
    settings = {"documents": 4, "further": 0, "prefix": 8, "new": 6, "temperature": 1.0}
    four = complete(model, tokenizer, corpus(), count, count, TABLE, settings, "both", 1)
    last = complete(model, tokenizer, corpus().drop(four["document"][:3]), count, count, TABLE, {**settings, "documents": 1}, "both", 1)
    assert last["document"].tolist() == four["document"].tolist()[3:]
    assert last["completion"].tolist() == four["completion"].tolist()[3:]
    more = complete(model, tokenizer, corpus(), count, count, TABLE, {**settings, "documents": 3, "further": 1}, "both", 1)
    pd.testing.assert_frame_equal(more, four)  # Table 4's come first and are the same whatever follows
    other = complete(model, tokenizer, corpus(), count, count, TABLE, settings, "both", 2)
    assert other["prefix"].equals(four["prefix"]) and not (other["completion"] == four["completion"]).any()
