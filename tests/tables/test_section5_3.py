"""Section 5.3 on explanations small enough to count, and its chance level against exact enumeration and a draw."""

import itertools
import math
import random
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import tiny
from explanation_lines import line, place

from rewardscope.tables import table3
from rewardscope.tables.section5_3 import (
    COLUMNS,
    MEASURES,
    WORD_COLUMNS,
    chance,
    measure,
    measured,
    occurrences,
    odds,
    read_words,
    rows,
    word_rows,
)

TABLE = {"good": 2.0, "great": 3.0, "bad": -3.0, "dull": -1.0, "plain": 0.0, "made": 0.5, "fires": 100.0}
CORPUS = Counter({"the": 50, "film": 20, "good": 10, "bad": 8, "dull": 2, "well-made": 6, "plain": 4})
NAMES = {"model": "tiny", "reward": "utility"}


def test_occurrences_are_the_rewards():
    """Parts of a compound count, words of utility 0 do not."""
    assert occurrences(CORPUS, TABLE) == {"good": 10, "bad": 8, "dull": 2, "made": 6}


def test_only_what_the_models_read():
    """The words of the first tokens, against the text decoded from them."""
    texts = list(tiny.texts()[:20])
    found = read_words(texts, tiny.tokenizer(), 9)
    expected = Counter()
    for text in texts:
        ids = tiny.tokenizer()(text)["input_ids"]
        expected.update(tiny.tokenizer().decode(ids[:9]).lower().rstrip(".").split())
    assert found == expected and found.total() < sum(len(text.split()) for text in texts)
    assert read_words([""], tiny.tokenizer(), 9) == Counter()


def test_measure_by_hand():
    texts = ["good . film", "bad . good", "the . plain", "Well-made", ""]
    found = measure(texts, TABLE, {"good", "bad", "dull", "made"})
    assert found == pytest.approx(
        {
            "share": 3 / 5,
            "share_positive": 3 / 5,
            "share_negative": 1 / 5,
            "recall": 3 / 4,
            "recall_positive": 2 / 2,
            "recall_negative": 1 / 2,
            "utility": 2 - 3 + 2 + 0.5,
        }  # fmt: skip
    )
    assert found.keys() == set(MEASURES)


def test_a_compound_of_the_table_is_one_word():
    """ "cover-up" is a bad thing, whatever its parts."""
    table = {"cover-up": -2.0, "cover": 1.0}
    found = measure(["cover-up"], table, {"cover", "cover-up"})
    assert (found["share_positive"], found["share_negative"], found["recall"]) == (0, 1, 0.5)


def test_nothing_to_measure():
    found = measure([], TABLE, set())
    assert found.keys() == set(MEASURES) and all(map(math.isnan, found.values()))
    assert all(map(math.isnan, chance([], odds({}, TABLE, set())).values()))


def test_chance_by_enumeration():
    """All texts of one and of two words, weighed by their probability."""
    rate = {word: count / 110 for word, count in (CORPUS + Counter({"bad-bad": 10})).items()}
    frequent = {"good", "bad", "made"}
    exact = dict.fromkeys(MEASURES, 0.0)
    for drawn in itertools.product(rate, repeat=3):
        found = measure([drawn[0], f"{drawn[1]} . {drawn[2]}"], TABLE, frequent)
        for name in MEASURES:
            exact[name] += math.prod(rate[word] for word in drawn) * found[name]
    assert sum(rate.values()) == pytest.approx(1)
    assert chance([1, 2], odds(rate, TABLE, frequent)) == pytest.approx(exact)


def test_chance_by_drawing():
    rng = random.Random(3)
    drawn = [measure([" ".join(rng.choices(list(CORPUS), k=4)) for _ in range(5)], TABLE, {"good", "dull"}) for _ in range(4000)]
    expected = chance([4] * 5, odds(dict.fromkeys(CORPUS, 1 / len(CORPUS)), TABLE, {"good", "dull"}))
    for name in MEASURES:
        values = [one[name] for one in drawn]
        assert expected[name] == pytest.approx(np.mean(values), abs=4 * np.std(values) / math.sqrt(len(values)) + 1e-9), name


def table(places: list[dict], top_k: int = 30, least: int = 6) -> dict[str, dict]:
    return {row["measure"]: row for row in rows(measured(places, TABLE, CORPUS, least, top_k, None), [], NAMES)}


def test_rows_by_hand():
    """Two layers are pooled; the second one's base has a feature more, which is capped away."""
    places = [
        place([line("good film", "great"), line("the film")], [line("good bad", "good made"), line("great")], layer=2),
        place([line("plain", "bad"), line("bad bad", "bad")], [line("the", "dull")], layer=5),
    ]
    found = table(places)
    assert list(found) == MEASURES and list(found["share"])[: len(COLUMNS)] == COLUMNS
    assert found["share"]["frequent_words"] == 3  # good, bad, made; dull is too rare, great is nowhere
    expected = {  # base, rlhf, promotes_base, promotes_rlhf
        "share": (1 / 3, 2 / 3, 2 / 3, 2 / 3),
        "share_positive": (1 / 3, 2 / 3, 1 / 3, 1 / 3),
        "share_negative": (0, 1 / 3, 1 / 3, 1 / 3),
        "recall": (1 / 3, 2 / 3, 1 / 3, 2 / 3),
        "recall_positive": (1 / 2, 1 / 2, 0, 1),
        "recall_negative": (0, 1, 1, 0),
        "utility": (2, 2 - 3 + 3, 3 - 3, 2 + 0.5 - 1),
    }
    for name, values in expected.items():
        assert [found[name][column] for column in ("base", "rlhf", "promotes_base", "promotes_rlhf")] == pytest.approx(values), name
        assert found[name]["difference"] == pytest.approx(values[1] - values[0])
        assert found[name]["promotes_difference"] == pytest.approx(values[3] - values[2])
    assert (found["share"]["top_k"], found["share"]["unit"], found["share"]["explainer"]) == (1, "SAE noise of one run", "tokens")


def test_chance_of_rows_is_over_both_sides():
    found = table([place([line("good film"), line("the")], [line("good bad dull"), line("the")])])
    hit = (10 + 8 + 2 + 6) / 100  # good, bad, dull, well-made
    lengths = [[2, 1], [3, 1]]
    expected = np.mean([np.mean([1 - (1 - hit) ** n for n in own]) for own in lengths])
    assert found["share"]["chance_tokens"] == pytest.approx(expected)
    hit = 4 / 7
    assert found["share"]["chance_types"] == pytest.approx(np.mean([np.mean([1 - (1 - hit) ** n for n in own]) for own in lengths]))
    assert found["share"]["promotes_chance_tokens"] == 0  # nothing is promoted, so nothing is drawn


def test_utility_is_table_3_s():
    """An independent way to the same sum."""
    places = [
        place([line("good", "good bad")], [line("bad great", "great made")], seed=1),
        place([line("dull", "")], [line("good", "bad")], seed=2),
    ]
    words = ["good", "bad", "great", "made", "dull"]
    vocabulary = pd.DataFrame({"text": [f" {word}" for word in words], "word": words, "whole": 30})
    three, found = table3.row(table3.measured(places, TABLE, 30, vocabulary), places, 30, NAMES), table(places)["utility"]
    for key in ("base", "rlhf", "difference", "ci_low", "ci_high"):
        assert found[f"promotes_{key}"] == three[f"promotes_signed_{key}"]


def test_replicates_are_seeds_and_samples_are_averaged():
    # share of rlhf minus share of base: seed 1 averages 1 and 0, seed 2 averages 1 and 1
    texts = {1: ("good", "film"), 2: ("bad", "good")}
    places = [
        place([line("film")], [line(text)], seed=seed, sample=sample)
        for seed, samples in texts.items()
        for sample, text in enumerate(samples, start=1)
    ]
    found = table(places)["share"]
    half = 12.7062 * 0.25  # base has no spread: Welch's one degree of freedom
    assert (found["difference"], found["ci_low"], found["ci_high"]) == pytest.approx((0.75, 0.75 - half, 0.75 + half), rel=1e-4)
    assert (found["samples"], found["sae_seeds"]) == (2, 2) and math.isnan(found["p_value"])


def test_exact_p_of_six_seeds():
    found = table([place([line("film")], [line("good")], seed=seed) for seed in range(1, 7)])
    assert found["share_positive"]["p_value"] == 2 / math.comb(12, 6) and found["share_negative"]["p_value"] == 1


def test_top_k():
    places = [place([line("film")] * 3, [line("film"), line("good"), line("good")])]
    assert [table(places, top_k)["share"]["rlhf"] for top_k in (1, 2, 3, 30)] == pytest.approx([0, 1 / 2, 2 / 3, 2 / 3])
    assert [table(places, top_k)["share"]["top_k"] for top_k in (1, 2, 3, 30)] == [1, 2, 3, 3]


def test_no_living_feature():
    found = table([place([], [line("good")], seed=seed) for seed in range(1, 7)])
    for name, own in found.items():
        assert all(math.isnan(own[key]) for key in ("base", "rlhf", "difference", "ci_low", "p_value", "chance_types", "promotes_rlhf")), name
    assert (found["recall"]["featureless"], found["share"]["top_k"]) == (6, 0)


def test_documents_without_words():
    found = {row["measure"]: row for row in rows(measured([place([line("good")], [line("bad")])], TABLE, Counter(), 6, 30, None), [], NAMES)}
    assert found["utility"]["difference"] == -5 and math.isnan(found["recall"]["difference"])


def test_words():
    places = [
        place([line("good bad film"), line("good")], [line("great", "good good"), line("plain", "well-made")], seed=1),
        place([line("bad"), line("film")], [line("great"), line("bad")], seed=2),
    ]
    found = word_rows(places, TABLE, CORPUS, 30, NAMES)
    assert all(list(row) == WORD_COLUMNS for row in found)
    assert [tuple(row.values())[2:] for row in found] == [  # word, utility, occurrences, then explanations a seed
        ("great", 3.0, 0, 0, 1, 0, 0),
        ("made", 0.5, 6, 0, 0, 0, 0.5),
        ("bad", -3.0, 8, 1, 0.5, 0, 0),
        ("good", 2.0, 10, 1, 0, 0, 0.5),
    ]
    assert word_rows([place([line("film")], [line("film")])], TABLE, CORPUS, 30, NAMES) == []
