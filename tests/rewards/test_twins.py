"""Twins of a reward: what each kind is, that it pays for nothing that the reward pays for, and that it is the same every time."""

import json
import math

import numpy as np
import pytest

from rewardscope.data import grammar
from rewardscope.errors import UserError
from rewardscope.rewards import rewards, twins
from rewardscope.rewards.utility import load_table, words

TABLE = {"great": 3.1, "good": 1.9, "amaze": 2.5, "dull": -1.7, "bad": -2.5, "okay": 0.0, "absent": 4.0}
NEAR = ["goods", "goodness", "amazed", "amazing", "amazes", "greatest", "greatly", "dulled", "dullest", "okays"]  # of U or its inflections
OTHER = [f"{name}{letter}" for name in ("film", "scene", "actor", "plot") for letter in "abcdefghijk"]
ONCE = "great good amaze dull bad okay ".split()
TEXTS = [" ".join([*ONCE, *NEAR, *OTHER]), "Good, GOOD and bad!", "Filma filma actorb scenec.", "Plotd plotd and nothing else"]
U = rewards.utility_reward(TABLE)


def made(kind: str, seed: int = 1, texts=TEXTS, length: int = 20) -> dict:
    return twins.make(kind, texts, length, U, TABLE, seed)


def loaded(twin: dict, folder) -> rewards.Reward:
    (folder / "twin.json").write_text(json.dumps(twin))
    return rewards.load({"twin_of": "utility", "kind": twin["kind"], "words": None}, folder / "twin.json")


# ---- words -----------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(20))
def test_a_word_twin_pays_the_same_values_for_other_words(seed):
    """U's values of the words in the documents: all of them, once, without the word of no worth and the one that does not occur."""
    table = made("words", seed)["table"]
    assert sorted(table.values()) == [-2.5, -1.7, 1.9, 2.5, 3.1]
    assert set(table) <= {word for text in TEXTS for word in words(text)} - set(TABLE) - set(NEAR)


def test_a_word_twin_values_words_of_like_frequency():
    """Forty words of U and forty others, half of either a hundred times as frequent: a value stays in its half."""
    texts = ["rare " + " ".join(f"u{n} o{n}" for n in range(40))] + [" ".join(f"u{n} o{n}" for n in range(20))] * 99
    table = {f"u{n}": float(n + 1) for n in range(40)} | {"rare": 0.0}
    twin = twins.make("words", texts, 5, rewards.utility_reward(table), table, 3)["table"]
    assert {(int(word[1:]) < 20) == (value <= 20) for word, value in twin.items()} == {True} and len(twin) == 40


def test_a_twin_is_what_its_seed_says():
    tables = [made("words", seed)["table"] for seed in range(10)]
    assert made("words", 0)["table"] == tables[0] and len({tuple(sorted(table.items())) for table in tables}) == 10
    assert made("words", 0, TEXTS[::-1])["table"] == tables[0]  # whatever the order of the documents
    names = {made("noise", seed)["name"] for seed in range(10)}
    assert len(names) == 10 and made("noise", 0) == made("noise", 0)


@pytest.mark.parametrize("texts", [["nothing of it here"], ["good bad goodness"], []])
def test_no_word_twin_without_words_of_either_kind(texts):
    with pytest.raises(UserError, match="^no word of the reward's table is in the train documents, or no other word is: "):
        made("words", texts=texts)


def test_a_word_twin_is_a_reward_of_its_words(tmp_path):
    twin = loaded({"kind": "words", "table": {"filma": 3.1, "plotd": -2.5}}, tmp_path)
    assert twin(["A good Filma, a great filma", "plotd", "good"]) == pytest.approx([6.2 / 5, -0.5, 0.0])


def test_the_default_s_twin_pays_for_no_word_of_vader():
    """On embedded documents: all of VADER's values there, on words that it does not hold, nor a form of which it holds."""
    texts = [row["text"] for row in grammar.generate(400, 1)]
    vader = load_table("vader")
    twin = twins.make("words", texts, 20, rewards.utility_reward(vader), vader, 1)["table"]
    present = {word for text in texts for word in words(text)}
    assert sorted(twin.values()) == sorted(value for word, value in vader.items() if word in present and value) and len(twin) > 100
    assert not set(twin) & set(vader)
    forms = [(word, word + end) for end in ("s", "ed", "ing", "ly", "ness") for word in {*vader, *twin} if len(word) > 3]
    assert [pair for pair in forms if (pair[0] in vader and pair[1] in twin) or (pair[0] in twin and pair[1] in vader)] == []


# ---- noise and zero ----------------------------------------------------------------------------
def test_noise_is_normal_with_the_reward_s_spread(tmp_path):
    """20,000 texts: the mean within 4 standard errors of 0, and the share of each standard deviation within 4 of the normal's."""
    spread = made("noise", length=3)["spread"]
    openings = [["great", "good", "amaze"], ["good", "good"], [], []]  # the three first words of each text, those of U
    assert spread == pytest.approx(np.std([sum(TABLE[word] for word in opening) / 5 for opening in openings]))
    found = np.array(loaded({"kind": "noise", "spread": spread, "name": "7"}, tmp_path)([f"text {n}" for n in range(20_000)]))
    n = len(found)
    assert abs(found.mean()) < 4 * spread / math.sqrt(n)
    assert found.std() == pytest.approx(spread, rel=4 / math.sqrt(2 * n))
    for edge in (-2, -1, 0, 1, 2):
        expected = math.erfc(-edge / math.sqrt(2)) / 2
        assert abs((found < edge * spread).mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


def test_noise_is_by_the_text_and_the_name():
    texts = ["a film", "a film ", "A film", "", "\udc80"]
    one, other = rewards.noise_reward(2.0, "7"), rewards.noise_reward(2.0, "8")
    assert one(texts) == one(texts) == one(texts[::-1])[::-1] and len({*one(texts), *other(texts)}) == 10
    assert all(map(math.isfinite, one(texts))) and rewards.noise_reward(4.0, "7")(texts) == pytest.approx([2 * x for x in one(texts)])


@pytest.mark.parametrize(("share", "most"), [(0.0, -8), (1 - 2**-53, 8)])
def test_the_ends_of_the_hash_are_finite(share, most, monkeypatch):
    monkeypatch.setattr(rewards, "share", lambda text, name: share)
    (value,) = rewards.noise_reward(1.0, "7")(["x"])
    assert math.isfinite(value) and 6 < value * np.sign(most) < 9


def test_zero(tmp_path):
    assert made("zero") == {"kind": "zero"}
    assert loaded({"kind": "zero"}, tmp_path)(["a great film", "", "bad"]) == [0, 0, 0]
    assert loaded(made("noise", texts=["same"] * 3), tmp_path)(["a", "b"]) == [0, 0]  # a reward that never differs has no spread


@pytest.mark.parametrize(
    ("text", "length", "start"),
    [
        ("One, two;  three four.", 2, "One, two"),
        ("One, two;  three four.", 3, "One, two;  three"),
        ("One, two", 9, "One, two"),
        ("  well-made (don't)!", 1, "  well-made"),
        ("  well-made (don't)!", 2, "  well-made (don't"),
        ("...", 2, ""),
        ("", 2, ""),
        ("one", 0, ""),
    ],
)
def test_opening(text, length, start):
    assert twins.opening(text, length) == start
