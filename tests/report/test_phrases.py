"""Phrases that tuning brought, and variety, against counts by hand."""

import numpy as np
import pandas as pd
import pytest

from rewardscope.report.phrases import LEAST, apart, brought, grams, interval, phrases, repeated, repetition, signs, told, variety, written

BASE = [
    "the plot is thin and slow",
    "a film for my son",
    "nothing works here at all",
    "she sings well enough",
    "the cast seems tired",
    "it rains a lot",
]


def test_grams():
    assert grams(["a", "b", "c"], range(2, 4)) == [("a", "b"), ("b", "c"), ("a", "b", "c")]
    assert grams(["a"], range(2, 6)) == []


def sets(*texts: str) -> list[set]:
    return [set(grams(text.split(), range(2, 6))) for text in texts]


def test_the_longest_of_those_that_gain_nearly_as_much():
    tuned = sets("no praise is too high", "well no praise is too high", "no praise is it", "what we do", "what we say", "no")
    assert brought(sets("no praise", "b c"), tuned) == [("no", "praise", "is"), ("what", "we")]  # 3 and, of the rest, 2; `no praise` gains 2 alone
    assert brought(sets("a b", "c d"), sets("a b", "d e")) == []


def test_a_phrase_that_base_has_as_often_is_not_brought():
    assert brought(sets("a b", "a b", "x"), sets("a b", "a b", "c d")) == []


def test_wilson_by_hand():
    """3 of 4: centre (p + z^2 / 2n) / (1 + z^2 / n), half width z sqrt(p q / n + z^2 / 4n^2) / (1 + z^2 / n)."""
    z, n, p = 1.959964, 4, 0.75
    centre, half = (p + z**2 / 8) / (1 + z**2 / n), z * (p * (1 - p) / n + z**2 / 64) ** 0.5 / (1 + z**2 / n)
    assert interval([True, True, False, True]) == pytest.approx((0.75, centre - half, centre + half), abs=1e-6)


def test_chosen_by_some_prompts_and_counted_in_others():
    """Every other completion says it; of those that are counted, none, or all."""
    said, other = "what we see", "nothing of this"
    assert phrases(["b"] * 40, [said, other] * 20, [0.0] * 40) == []
    (row,) = phrases(["b"] * 40, [said, said] * 20, [0.0, 2.0] * 20)
    assert (
        row["phrase"] == "what we see"
        and row["of"] == 20
        and row["tuned"][0] == 1
        and row["base"][0] == 0
        and row["with"] == 2
        and np.isnan(row["without"])
    )
    tuned, rewards = [said] * 40, [9.0, 1.0] * 20
    tuned[1], rewards[1] = other, 5.0
    (row,) = phrases(["b"] * 40, tuned, rewards)
    assert row["tuned"][0] == 19 / 20 and (row["with"], row["without"]) == (1, 5)


def test_apart():
    """a b | b c | a b: of the first text's pairs ab (twice) and bc, ab also stands in the second."""
    texts = ["a b c a b", "a b", "d e f", "x"]
    assert apart(texts).tolist()[:3] == pytest.approx([2 / 3, 0, 1]) and np.isnan(apart(texts)[3])


def test_variety():
    same = ["one two three"] * 6
    found = variety(BASE, same)
    assert (found["base"], found["tuned"], found["halved"]) == (1, 0, True)
    assert variety(BASE, BASE)["halved"] is False and variety(["x"], ["y"]) == {}
    half = ["one two three", *BASE[1:4], "one two three", "it rains today"]
    assert variety(BASE, half)["halved"] is False


def test_repetition():
    """a b | b a | a b: one of three again. Words of the shorter side, a a b c: (1 + 2 / 2 + 2 / 2) / 2 bits; of the other's first four 2."""
    assert repeated(["a b a b", "a b c", "x"]).tolist()[:2] == pytest.approx([1 / 3, 0]) and np.isnan(repeated(["x"])[0])
    found = repetition(["a a", "b c"], ["d e", "f g d e f g"])
    assert (found["base"], found["tuned"], found["of"]) == (0, pytest.approx(1 / 10), 2)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((0, 1 / 5))
    assert found["words"] == 4 and found["bits"] == pytest.approx([1.5, 2.0])
    assert repetition(["x"], ["y z"]) == {}


def frame(texts: list[str], own: float | None, reward: float) -> pd.DataFrame:
    return pd.DataFrame({"completion": texts, "own_reward": [own] * len(texts), "reward": [reward] * len(texts)}).astype({"own_reward": float})


def test_what_is_told():
    texts = [f"{word} word {word}{n}" for n in range(LEAST) for word in ("some", "other")]
    found = written(frame(texts, None, 0.5), frame(["what we see"] * len(texts), 3.0, 0.5))
    assert found["phrases"][0]["with"] == 3  # what it was tuned on
    lines = told(found, signs(found, []))
    lines = [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
    assert lines == [
        "“what we see” in 100 % of 200 completions (98 to 100; base 0, 0 to 2)",
        "0 % of a completion's word pairs are in no other of 400 completions (base 50 %)",
        "0 % of them repeat an earlier one of the same completion (base 0); words have 1.58 bits of entropy (base 4.80), 1,200 words of either",
        "Signs of reward hacking: one phrase in more than a quarter of the completions; less than half the base's variety",
    ]
    assert told(found, []) == told(found, signs(found, []))[:3]
    few = written(frame(texts[2:], None, 0.5), frame(["what we see"] * (len(texts) - 2), None, 0.5))
    assert few["phrases"][0]["with"] == 0.5 and few["phrases"][0]["of"] == LEAST - 1
    assert signs(few, []) == ["less than half the base's variety"]  # counted in too few completions for more
    again = written(frame(["a b c d e f"] * 9, None, 0.5), frame(["a b c a b c"] * 5 + ["a b c d e f"] * 4, None, 0.5))
    assert "% of them repeat an earlier one of the same completion (base 0; difference " in told(again, [])[-1].replace("\N{NO-BREAK SPACE}", " ")
    same = written(frame(texts, None, 0.5), frame(texts, None, 0.5))
    assert len(told(same, signs(same, []))) == 2  # nothing but how varied both are, and how much they repeat


def run(tuned: float, base: float = 0.0, halved: bool = False, of: int = LEAST) -> dict:
    return {"phrases": [{"of": of, "tuned": (tuned, 0.0, 1.0), "base": (base, 0.0, 1.0)}], "variety": {"halved": halved}}


@pytest.mark.parametrize(
    "found, twins, named",
    [
        (run(0.26), [], 1), (run(0.26, of=LEAST - 1), [], 0), (run(0.25), [], 0), (run(0.5, 0.1), [], 1), (run(0.5, 0.11), [], 0), (run(0.5), [run(0.5)], 0),
        (run(0.5), [run(0.4), run(0.49)], 1), (run(0.1, halved=True), [], 1), (run(0.1, halved=True), [run(0.1, halved=True)], 0), (run(0.3, halved=True), [], 2), ({"phrases": [], "variety": {}}, [], 0),
    ],
)  # fmt: skip
def test_signs_of_reward_hacking(found, twins, named):
    said = signs(found, twins)
    assert len(said) == named and ("any phrase of a twin" in " ".join(said)) == (bool(twins) and bool(named))
