"""Section 5.3's controls by hand: random rows, the other side's unembedding, U's values on other words, twins."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from explanation_lines import control, line, place
from scipy import stats

from rewardscope.tables import promoted
from rewardscope.tables.section5_3 import MEASURES, by_tables, measure, measured, rows

TABLE = {"good": 2.0, "great": 3.0, "bad": -3.0, "dull": -1.0, "plain": 0.0, "made": 0.5, "fires": 100.0}
CORPUS = Counter({"the": 50, "film": 20, "good": 10, "bad": 8, "dull": 2, "well-made": 6, "plain": 4})
NAMES = {"model": "tiny", "reward": "utility"}


def table(places: list[dict], controls: pd.DataFrame | None = None, twins=(), placebos=None) -> dict[str, dict]:
    this, *others = (measured(group, TABLE, CORPUS, 6, 30, controls, placebos) for group in (places, *twins))
    return {row["measure"]: row for row in rows(this, others, NAMES)}


def test_random_rows_by_hand():
    """Two draws of two rows a side, of two layers; what features raise through the other unembedding does not count."""
    places = [place([line("", "good")], [line("", "good great")], seed=1), place([line("", "bad")], [line("", "good")], seed=2)]
    drawn = [
        *(control("random", "base", row, seed=1, pick=pick) for pick, row in (("top1", "good film"), ("top2", "the"))),
        control("random", "base", "bad", "dull bad", seed=2),
        control("random", "rlhf", "great", "good", seed=1),
        control("random", "rlhf", "the", "film", seed=2),
        control("feature", "base", "made made", seed=1, through="rlhf"),
        control("feature", "rlhf", "great great", seed=1, through="base"),
    ]
    found = table(places, controls=pd.concat(drawn))
    share, utility = found["share"], found["utility"]
    assert (share["promotes_random_base"], share["promotes_random_rlhf"], share["promotes_net"]) == (0.75, 0.5, 0.25)
    assert (utility["promotes_random_base"], utility["promotes_random_rlhf"]) == ((2 - 7) / 2, (5 + 0) / 2)
    assert utility["promotes_difference"] == 4 and utility["promotes_net"] == pytest.approx(4 - (2.5 + 2.5))
    recall = found["recall"]  # of good, bad, made
    assert (recall["promotes_random_base"], recall["promotes_random_rlhf"]) == pytest.approx(((1 + 1) / 6, (1 + 0) / 6))
    parts = np.array([12.5, 4.5, 40.5, 12.5]) / 2  # variances of 2, -3; 5, 2; 2, -7; 5, 0: each the mean of two
    half = stats.t.ppf(0.975, parts.sum() ** 2 / (parts**2).sum()) * math.sqrt(parts.sum())
    assert (utility["promotes_net_ci_low"], utility["promotes_net_ci_high"]) == pytest.approx((-1 - half, -1 + half))
    assert "net" not in share and "random_base" not in share  # a random row has no text that it fires on
    assert math.isnan(table(places)["share"]["promotes_net"])


def test_either_dictionary_through_either_unembedding_by_hand():
    """Each side's own in `base` and `rlhf`; beside them through the other side's, of two seeds; what a feature fires on reads no unembedding."""
    places = [place([line("film", "bad")], [line("good", "good great")], seed=seed) for seed in (1, 2)]
    crossed = [
        *(control("feature", "base", *rows, seed=seed, through="rlhf") for seed, rows in ((1, ["good", "film"]), (2, ["dull", "bad"]))),
        *(control("feature", "rlhf", "great great", "the", seed=seed, through="base") for seed in (1, 2)),
        *(control("random", side, "made") for side in ("base", "rlhf")),
    ]
    found = table(places, controls=pd.concat(crossed))
    keys = ["promotes_base", "promotes_base_through_rlhf", "promotes_rlhf_through_base", "promotes_rlhf"]
    assert [found["utility"][key] for key in keys] == [-3, (2 - 4) / 2, 6, 5]
    assert [found["share_positive"][key] for key in keys] == [0, (1 / 2 + 0) / 2, 1 / 2, 1]
    assert "base_through_rlhf" not in found["share"] and math.isnan(table(places)["share"]["promotes_base_through_rlhf"])


# ---- U's values on other words -----------------------------------------------------------------
WORDS = ["good", "great", "bad", "film", "scene", "actor", "movie", "script", "music", "ending"]  # alike in frequency: three of U, seven others


def drawn(values: dict[str, float], written=()) -> promoted.Placebos:
    vocabulary = pd.DataFrame({"text": [f" {word}" for word in WORDS], "word": WORDS, "whole": 30})
    return promoted.placebos(promoted.Yardstick(vocabulary, values), Counter(written), 5)


def test_measures_by_several_tables_at_once():
    """As one table by another, of words that the vocabulary holds; frequent are all words of it but "film"."""
    texts = [["good", "film", "film"], ["bad", "nowhere"], []]
    tables = [{"good": 2.0, "bad": -3.0}, {"film": 1.5, "scene": 1.0}, {"actor": 4.0}]
    frequent = {word for word in WORDS if word != "film"}
    found = by_tables(texts, WORDS, np.array([[one.get(word, 0.0) for one in tables] for word in WORDS]), np.array([w in frequent for w in WORDS]))
    assert found.keys() == {*MEASURES}
    for t, one in enumerate(tables):
        expected = measure([" . ".join(text) for text in texts], one, frequent & one.keys())
        assert {name: values[t] for name, values in found.items()} == pytest.approx(expected, nan_ok=True), t


def test_p_is_the_share_of_words_that_show_as_much():
    """RLHF's texts hold U's only word twice more; of the nine others one as often, one twice less, one but once more: 2 of 9 show as much."""
    places = [place([line("scene", "scene"), line("scene", "scene")], [line("good film actor", "good film actor"), line("good film", "good film")])]
    corpus, own = Counter(dict.fromkeys(WORDS, 50)), {"good": 2.0}
    this = measured(places, own, corpus, 6, 30, None, drawn(own))
    found = {row["measure"]: row for row in rows(this, [], NAMES)}
    near = 4 * math.sqrt(2 / 9 * 7 / 9 / promoted.DRAWS)
    for name in ("utility", "share"):  # the latter is 1 for "film", -1 for "scene", 1/2 for "actor"
        assert found[name]["placebo_p"] == found[name]["promotes_placebo_p"] == pytest.approx(2 / 9, abs=near), name
        assert found[name]["placebo_p_by_run"] == f"{found[name]['placebo_p']:.4f}"
    assert found["recall"]["placebo_p"] == pytest.approx(3 / 9, abs=4 * math.sqrt(3 / 9 * 6 / 9 / promoted.DRAWS))  # one word is all of it
    assert found["share_negative"]["placebo_p"] == 1  # U has no such word: nothing and as much everywhere
    assert math.isnan(rows(measured(places, own, corpus, 6, 30, None), [], NAMES)[0]["placebo_p"])


def test_a_placebo_without_recall_is_no_draw():
    """The value lies on "bad", whose recall falls, "film", whose rises, or "scene": two of three; or on a rare word, which has no recall."""
    words, often = ["good", "bad", "film", "scene", "rare", "rarer"], Counter(good=50, bad=50, film=50, scene=50, rare=1, rarer=1)
    vocabulary = pd.DataFrame({"text": [f" {word}" for word in words], "word": words, "whole": 30})
    own = {"good": 2.0}
    placebos = promoted.placebos(promoted.Yardstick(vocabulary, own), Counter(), 5)
    places = [place([line("bad", "bad")], [line("good film", "good film")])]
    found = {row["measure"]: row for row in rows(measured(places, own, often, 6, 30, None, placebos), [], NAMES)}
    assert found["recall"]["placebo_p"] == pytest.approx(2 / 3, abs=4 * math.sqrt(2 / 9 / (0.6 * promoted.DRAWS)))


def test_p_of_promoted_utility_is_table_3_s():
    places = [
        place([line("", "good scene")], [line("", "great great film")], run="run1"),
        place([line("", "bad music")], [line("", "good film film")], run="run2"),
    ]
    placebos = drawn({"good": 2.0, "great": 3.0, "bad": -3.0}, ["film", "good"])
    yardstick = promoted.Yardstick(pd.DataFrame({"text": [f" {word}" for word in WORDS], "word": WORDS, "whole": 30}), TABLE)
    p, by_run = promoted.placebo_p(promoted.by_features(places, yardstick, 30), placebos)
    found = table(places, placebos=placebos)["utility"]
    assert found["promotes_placebo_p"] == p and found["promotes_placebo_p_by_run"] == " ".join(f"{one:.4f}" for one in by_run)
    assert math.isnan(table([place([], [line("good")])], placebos=placebos)["share"]["placebo_p"])  # nothing to compare


def test_over_the_twins():
    """What either text says in two runs and in two twins' runs."""
    true = [place([line("film", "bad")], [line(text, text)], run=run) for run, text in (("run1", "great"), ("run2", "good"))]
    twins = [[place([line("good", "")], [line(text, text)])] for text in ("great", "film")]
    found = table(true, twins=twins)["utility"]
    for prefix, own, twin in (("", [3, 2], [1, -2]), ("promotes_", [6, 5], [3, 0])):
        welch = stats.ttest_ind(own, twin, equal_var=False).confidence_interval()
        columns = [found[f"{prefix}{key}"] for key in ("difference", "twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high")]
        assert columns == pytest.approx([np.mean(own), np.mean(twin), np.mean(own) - np.mean(twin), welch.low, welch.high]), prefix
    assert found["unit"] == "tuning run" and math.isnan(table(true)["utility"]["over_twin"])
