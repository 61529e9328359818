"""Table 3 on explanations small enough to add up by hand."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from explanation_lines import control, line, place
from scipy import stats

from rewardscope.tables import promoted, table3
from rewardscope.tables.explained import COLUMNS
from rewardscope.tables.table3 import measured

TABLE = {"good": 2.0, "bad": -3.0, "great": 4.0, "fine": 1.0, "made": 0.5, "fires": 100.0}
NAMES = {"model": "tiny", "reward": "utility"}
WORDS = ["good", "bad", "great", "film", "of"]  # whole-word tokens; "fine" and "made" are none
VOCABULARY = pd.DataFrame({"token": range(5), "text": [f" {word}" for word in WORDS], "word": WORDS, "whole": [30, 20, 19, 500, 900]})
NO_TWIN = {"twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high"}


def row(places: list[dict], top_k: int = 30) -> dict:
    return table3.row(measured(places, TABLE, top_k, VOCABULARY), places, top_k, NAMES)


def welch(a: list[float], b: list[float]) -> tuple[float, float]:
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    return interval.low, interval.high


def test_what_was_paid():
    """Of the explanations that the row is made from, on both sides: the second feature of base is capped away."""
    own = {"explainer": "openai:m", "failure": ""}
    base = [{**line("good"), **own, "cost": 0.5}, {**line("bad"), **own, "cost": 9.0}]
    found = row([place(base, [{**line(""), **own, "cost": 0.25, "failure": "refusal"}])])
    assert (found["cost"], found["failures"], found["explainer"]) == (0.75, 1, "openai:m")


def test_row_by_hand():
    """One seed, two layers, one sample; the second layer's base has a feature more, which is capped away."""
    places = [
        place([line("good film", "great"), line("bad film")], [line("great good", "bad good"), line("bad bad")], layer=2),
        place([line("fine fine"), line("great great", "great")], [line("good", "fine")], layer=5),
    ]
    found = row(places)
    base, rlhf = 2 + 3 + 1 + 1, 4 + 2 + 3 + 3 + 2
    expected = {
        **NAMES, "m_base": base, "m_rlhf": rlhf, "difference": rlhf - base,
        "samples": 1, "top_k": 1, "explainer": "tokens", "unit": "SAE noise of one run", "runs": 1, "sae_seeds": 1, "layers": "2 5",
        "texts": 3, "m_per_text_base": base / 3, "m_per_text_rlhf": rlhf / 3,
        "sum_u_base": 2 + 3 + 2, "sum_u_rlhf": 6 + 6 + 2,
        "valence_base": 2 + 3 + 1, "valence_rlhf": 3 + 3 + 2,
        "words_base": 4, "words_rlhf": 5,
        "promotes_m_base": 4, "promotes_m_rlhf": 3 + 2 + 1, "promotes_difference": 2, "cost": 0, "failures": 0, "twin_runs": 0,
        "promotes_signed_base": 4, "promotes_signed_rlhf": -3 + 2, "promotes_signed_difference": -5,  # "fine" is no whole word
        "promotes_recall_positive_base": 0, "promotes_recall_positive_rlhf": 1, "promotes_recall_negative_rlhf": 1,  # frequent: good, bad
        "promotes_precision_positive_base": 0, "promotes_precision_positive_rlhf": 1 / 2, "promotes_precision_negative_rlhf": 1 / 2,
        "promotes_recall_expected_base": 1 / 5, "promotes_recall_expected_rlhf": 2 / 5,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert all(math.isnan(found[f"{prefix}{key}"]) for prefix in ("", "promotes_") for key in ("ci_low", "ci_high", "p_value"))
    assert all(math.isnan(found[f"{prefix}{key}"]) for prefix in ("", "promotes_signed_") for key in NO_TWIN)
    assert list(found)[: len(COLUMNS)] == COLUMNS


def test_top_k():
    base = [line("good"), line("great"), line("bad")]
    rlhf = [line("great"), line("great"), line("great"), line("great")]
    for top_k, m_base, m_rlhf, k in ((1, 2, 4, 1), (2, 6, 8, 2), (30, 9, 12, 3)):
        found = row([place(base, rlhf)], top_k)
        assert (found["m_base"], found["m_rlhf"], found["top_k"], found["texts"]) == (m_base, m_rlhf, k, k)


def seeds(*pairs: tuple[str, str], run="run1") -> list[dict]:
    return [place([line(base, base)], [line(rlhf, rlhf)], seed=i, run=run) for i, (base, rlhf) in enumerate(pairs)]


def test_replicates_of_one_run_are_seeds_that_are_not_paired():
    found = row(seeds(("good", "great"), ("good", "bad"), ("fine", "great")))
    assert found["difference"] == pytest.approx(2) and (found["ci_low"], found["ci_high"]) == pytest.approx(welch([4, 3, 4], [2, 2, 1]))
    assert math.isnan(found["p_value"])  # three and three can be split in 20 ways
    assert (found["unit"], found["runs"], found["sae_seeds"], found["samples"]) == ("SAE noise of one run", 1, 3, 1)
    assert row(seeds(*[("film", "good")] * 6))["p_value"] == pytest.approx(2 / 924)


def test_samples_are_averaged_inside_a_seed():
    """They narrow nothing: two seeds of three samples are two replicates."""
    texts = {1: ("good", "great", "bad"), 2: ("fine", "fine", "good film")}  # |U|: 2, 4, 3 and 1, 1, 2
    places = [
        place([{**line("film"), "activates_on": "film", "explainer": "gpt"}], [{**line(text), "activates_on": text, "explainer": "gpt"}], seed=s, sample=n)
        for s, rows in texts.items()
        for n, text in enumerate(rows, start=1)
    ]  # fmt: skip
    found = row(places)
    assert found["m_rlhf"] == pytest.approx((3 + 4 / 3) / 2) and found["m_base"] == 0
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(welch([3, 4 / 3], [0, 0]))
    assert (found["samples"], found["sae_seeds"], found["explainer"]) == (3, 2, "gpt")


TWO_RUNS = seeds(("good", "great"), ("good", "bad"), run="run1") + seeds(("fine", "great"), ("fine", "fine"), run="run2")


def test_several_runs_are_the_replicates():
    found = row(TWO_RUNS)
    # mean difference of run 1: (2 + 1) / 2, of run 2: (3 + 0) / 2; each is one replicate
    assert (found["m_base"], found["m_rlhf"]) == pytest.approx(((2 + 1) / 2, (3.5 + 2.5) / 2))
    assert math.isnan(found["ci_low"]) and found["difference"] == 1.5  # 1.5 in both
    assert (found["unit"], found["runs"], found["sae_seeds"]) == ("tuning run", 2, 2) and math.isnan(found["p_value"])


def test_above_the_twins():
    """Each run's difference in signed utility, true against twin; both twins' runs are one sample."""
    true = measured(TWO_RUNS, TABLE, 30, VOCABULARY)
    twin = measured(seeds(("good", "bad"), run="run1") + seeds(("bad", "bad"), run="run2"), TABLE, 30, VOCABULARY)
    found = table3.row(true, TWO_RUNS, 30, NAMES, [twin])
    own = [(4 - 2 + -3 - 2) / 2, (4 - 0 + 0 - 0) / 2]
    placebo = [-3 - 2, 0]
    assert (found["promotes_signed_twin"], found["promotes_signed_over_twin"]) == pytest.approx((np.mean(placebo), np.mean(own) - np.mean(placebo)))
    assert (found["promotes_signed_over_twin_ci_low"], found["promotes_signed_over_twin_ci_high"]) == pytest.approx(welch(own, placebo))
    assert (found["twin_runs"], found["twin"], found["over_twin"]) == (2, 0.5, 1)  # |U| of what fires: 1.5 and 1.5, of the twin 1 and 0
    half = 12.7062 * 0.5  # the twins' standard error, Welch's one degree of freedom
    assert (found["over_twin_ci_low"], found["over_twin_ci_high"]) == pytest.approx((1 - half, 1 + half), rel=1e-4)
    one = table3.row(true, TWO_RUNS, 30, NAMES, [measured(seeds(("good", "bad")), TABLE, 30, VOCABULARY)])
    assert one["promotes_signed_over_twin"] == pytest.approx(np.mean(own) + 5) and math.isnan(one["promotes_signed_over_twin_ci_low"])


def test_controls_stand_beside():
    """Two draws of random rows, and each side's features through the other unembedding."""
    rows = [("random", "base", "base", 1, " good"), ("random", "base", "base", 2, " bad"), ("random", "rlhf", "rlhf", 1, " great"),
            ("random", "rlhf", "rlhf", 2, " good"), ("feature", "base", "rlhf", 0, " great"), ("feature", "rlhf", "base", 0, " bad")]  # fmt: skip
    controls = pd.DataFrame(rows, columns=["kind", "side", "through", "seed", "token"]).assign(run="run1")
    places = seeds(("good", "great"), ("bad", "great"))
    this = measured(places, TABLE, 30, VOCABULARY, controls, Counter(), seed=1)
    found = table3.row(this, places, 30, NAMES)
    assert (found["promotes_signed_random_base"], found["promotes_signed_random_rlhf"]) == ((2 - 3) / 2, (4 + 2) / 2)
    assert found["promotes_signed_net"] == pytest.approx((4 - (2 - 3) / 2) - (3 + 0.5))
    assert (found["promotes_signed_base_through_rlhf"], found["promotes_signed_rlhf_through_base"]) == (4, -3)
    assert (
        found["placebo_moved"] == this.moved
        and 0 < found["promotes_signed_placebo_p"] <= 1
        and float(found["promotes_signed_placebo_p_by_run"]) == pytest.approx(this.placebo[0], abs=1e-4)
    )


def test_placebos_are_drawn_by_what_the_tuned_model_writes():
    """Twenty-six other words, half of them as often written as those of U: the placebos are of this half."""
    others = [f"word{chr(97 + i)}" for i in range(26)]
    words = [*WORDS[:3], *others]
    vocabulary = pd.DataFrame({"text": [f" {word}" for word in words], "word": words, "whole": 30})
    written = Counter({word: 50 for word in [*WORDS[:3], *others[:13]]})
    places = [place([line("film", "wordz")], [line("film", f"great {others[3]} {others[20]}")], seed=s) for s in (1, 2)]
    controls = control("random", "base", "good")
    own, none, other = (measured(places, TABLE, 30, vocabulary, controls, *last).placebo for last in ((written, 3), (Counter(), 3), (written, 4)))
    yardstick = promoted.Yardstick(vocabulary, TABLE)
    assert own == promoted.placebo_p(promoted.by_features(places, yardstick, 30), promoted.placebos(yardstick, written, 3))
    assert len({own[0], none[0], other[0]}) == 3
    assert measured(places, TABLE, 30, vocabulary, controls, written, 3).moved == 0


def test_another_recipe_stands_beside():
    places = seeds(("good", "great"))
    found = table3.row(
        measured(places, TABLE, 30, VOCABULARY), places, 30, NAMES, (), [("frozen", measured(seeds(("bad", "good")), TABLE, 30, VOCABULARY))]
    )
    assert (found["frozen_m_difference"], found["frozen_promotes_signed_difference"]) == (-1, 5)


def test_dictionaries_without_features_are_left_out():
    """Two of four seeds have some on both sides; a run that has none leaves nothing to compare."""
    some = seeds(("good", "great"), ("fine", "great"))
    found = row([*some, place([], [line("bad bad")], seed=2), place([line("bad")], [], seed=3)])
    assert {key: found[key] for key in ("m_base", "m_rlhf", "texts", "sae_seeds", "featureless", "top_k")} == {
        "m_base": 1.5, "m_rlhf": 4, "texts": 1, "sae_seeds": 4, "featureless": 2, "top_k": 0,
    }  # fmt: skip
    assert (found["difference"], found["ci_low"], found["ci_high"]) == pytest.approx((2.5, *welch([4, 4], [2, 1])))
    missing = row([*some, place([], [line("bad")], run="run2")])
    assert math.isnan(missing["difference"]) and math.isnan(missing["promotes_signed_difference"]) and missing["runs"] == 2
    both = measured([*some, place([], [], run="run2")], TABLE, 30, VOCABULARY, control("random", "base", "good"), Counter())
    assert math.isnan(both.placebo[0]) and [math.isnan(p) for p in both.placebo[1]] == [False, True]


def test_no_living_feature():
    places = [place([], [line("good", "good")])]
    found = row(places)
    assert (found["top_k"], found["texts"], found["featureless"], found["explainer"]) == (0, 0, 1, "tokens")
    numbers = [f"{of}{key}" for of in ("", "promotes_", "promotes_signed_") for key in ("difference", "ci_low", "p_value")]
    assert all(math.isnan(found[key]) for key in (*numbers, "m_base", "m_rlhf", "m_per_text_base", "words_rlhf", "promotes_signed_base"))
    none = measured(places, TABLE, 30, VOCABULARY, control("random", "base", "good")[:0], Counter())
    beside = table3.row(none, places, 30, NAMES)
    assert all(math.isnan(beside[f"promotes_signed_{key}"]) for key in ("random_base", "net", "net_ci_low", "base_through_rlhf"))
