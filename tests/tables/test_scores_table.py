"""The table of scores, on numbers that can be counted by hand."""

import math

import pandas as pd
import pytest
from scipy import stats

from rewardscope.tables.scores_table import COLUMNS, rows

NAMES = {"model": "tiny", "reward": "utility"}


def frame(side: str, own: list[float], other: float = 0.1, **where) -> pd.DataFrame:
    place = {"run": "run1", "layer": 2, "seed": 1, "sample": 1, **where}
    scores = pd.DataFrame({"correlation_own": own, "correlation_other": other, "correlation_empty": 0.0})
    features = [f"{side} {value}" for value in own]  # in place of numbers: of another score another feature
    return scores.assign(place=range(1, len(own) + 1), feature=features, side=side, unparsed=1, cost=0.5, explainer="tokens", **place)


def picked(found: list[dict], layer, explanation: str) -> dict:
    return next(row for row in found if row["layer"] == layer and row["explanation"] == explanation)


def test_rows_by_hand():
    """Two seeds and two layers; base's third feature has no counterpart; a feature without a score does not count."""
    found = rows(pd.concat([
        frame("base", [0.2, 0.4, 9.0]), frame("rlhf", [0.5, 0.7]),
        frame("base", [0.4, float("nan")], seed=2), frame("rlhf", [0.6, 0.8], seed=2),
        frame("base", [0.0], layer=5), frame("rlhf", [0.3], layer=5),
        frame("base", [0.2], layer=5, seed=2), frame("rlhf", [0.1], layer=5, seed=2),
    ]), "simulation", NAMES)  # fmt: skip
    assert [row["layer"] for row in found[::4]] == [2, 5, "all"]
    assert [row["explanation"] for row in found[:4]] == ["own", "other", "own - other", "empty"]
    assert set(found[0]) == set(COLUMNS)
    two = picked(found, 2, "own")
    assert (two["base"], two["rlhf"], two["difference"]) == pytest.approx((0.35, 0.65, 0.3))  # 0.3, 0.4; 0.6, 0.7
    welch = stats.ttest_ind([0.6, 0.7], [0.3, 0.4], equal_var=False).confidence_interval()  # SAEs of either side have nothing in common
    assert (two["ci_low"], two["ci_high"]) == pytest.approx((welch.low, welch.high)) and math.isnan(two["p_value"])
    half = 12.7062 * 0.05  # t(0.975, 1) x standard error
    assert (two["base_low"], two["base_high"]) == pytest.approx((0.35 - half, 0.35 + half), rel=1e-4)
    assert (two["top_k"], two["unparsed"], two["cost"], two["sae_seeds"], two["unit"]) == (2, 8, 4.0, 2, "SAE noise of one run")
    assert picked(found, 2, "own - other")["rlhf"] == pytest.approx(0.55) and picked(found, 2, "empty")["base"] == 0
    every = picked(found, "all", "own")  # over explanations: (0.2 + 0.4 + 0) / 3 and (0.4 + 0.2) / 2
    assert every["base"] == pytest.approx((0.2 + 0.3) / 2)


def test_samples_are_averaged_inside_a_seed():
    found = rows(pd.concat([
        frame("base", [0.0], sample=1), frame("base", [1.0], sample=2), frame("rlhf", [1.0], sample=1), frame("rlhf", [1.0], sample=2),
    ]), "simulation", NAMES)  # fmt: skip
    own = picked(found, 2, "own")
    assert (own["base"], own["rlhf"], own["samples"], own["sae_seeds"]) == (0.5, 1, 2, 1)


def test_exact_p_of_six_seeds():
    found = rows(
        pd.concat([frame(side, [value], seed=seed) for seed in range(6) for side, value in (("base", 0.1), ("rlhf", 0.3))]), "simulation", NAMES
    )
    assert picked(found, 2, "own")["p_value"] == 2 / math.comb(12, 6) and picked(found, 2, "empty")["p_value"] == 1


def test_several_runs_are_the_replicates():
    """Differences 0.2, 0.6 (a mean over two seeds) and 0.1: Student's interval."""
    runs = {"run1": [(0.1, 0.3), (0.1, 0.3)], "run2": [(0.2, 0.6), (0.2, 1.0)], "run3": [(0.4, 0.5), (0.4, 0.5)]}
    keyed = [(run, seed, *pair) for run, pairs in runs.items() for seed, pair in enumerate(pairs, start=1)]
    frames = [frame(side, [value], seed=seed, run=run) for run, seed, *pair in keyed for side, value in zip(("base", "rlhf"), pair, strict=True)]
    found = rows(pd.concat(frames), "simulation", NAMES)
    own, student = picked(found, 2, "own"), stats.ttest_1samp([0.2, 0.6, 0.1], 0).confidence_interval()
    assert (own["difference"], own["ci_low"], own["ci_high"]) == pytest.approx((0.3, student.low, student.high))
    assert (own["unit"], own["runs"]) == ("tuning run", 3) and math.isnan(own["p_value"])
    side = stats.ttest_1samp([0.3, 0.8, 0.5], 0).confidence_interval()
    assert (own["rlhf_low"], own["rlhf_high"]) == pytest.approx((side.low, side.high))


def test_a_side_without_living_features_leaves_nothing_to_compare():
    """And says so, where no explanation has a score as well."""
    none = frame("rlhf", [0.5])[["place", "feature", "explainer", "unparsed", "run", "layer", "seed", "sample", "side", "cost"]]
    for scores, count in ((frame("rlhf", [0.5]), 1), (none[:0], 1), (frame("rlhf", [0.5]), 2)):
        made = [(f"run{run}", 2, 1, 1) for run in range(1, count + 1)]
        every = picked(rows(scores, "simulation", NAMES, made), "all", "own")
        assert all(math.isnan(every[key]) for key in ("base", "rlhf", "difference", "ci_low", "p_value", "base_low"))
        assert (every["runs"], every["featureless"], every["top_k"]) == (count, count, 0)


def test_a_run_without_features_is_not_left_out():
    both = pd.concat([frame(side, [0.1, 0.3], run=run, seed=seed) for run in ("run1", "run2") for seed in (1, 2) for side in ("base", "rlhf")])
    assert picked(rows(both, "simulation", NAMES), "all", "own")["difference"] == 0
    missing = picked(rows(both, "simulation", NAMES, [("run3", 2, 1, 1)]), "all", "own")
    assert (missing["runs"], missing["featureless"]) == (3, 1) and math.isnan(missing["difference"]) and math.isnan(missing["rlhf_low"])


def test_a_place_that_both_sides_made_counts_once():
    both = pd.concat([frame(side, [0.1, 0.3], run=run) for run in ("run1", "run2") for side in ("base", "rlhf")])
    twice = 2 * [(run, 2, 1, 1) for run in ("run1", "run2")]
    once, again = (picked(rows(both.assign(cost=1.0, unparsed=2), "simulation", NAMES, made), "all", "own") for made in ((), twice))
    assert (again["cost"], again["unparsed"], again["top_k"]) == (once["cost"], once["unparsed"], once["top_k"]) == (8, 16, 2)


def test_runs_that_share_the_base():
    """The third feature of RLHF has no counterpart in run 2, so that fewer of the same base's count."""
    rlhf = {"run1": [[0.5, 0.9], [0.6, 0.6]], "run2": [[0.9], [0.7]]}
    base = [[0.1, 0.3], [0.4, 0.8]]
    frames = [
        frame(side, own, run=run, seed=seed)
        for run, of in rlhf.items()
        for seed in (1, 2)
        for side, own in (("base", base[seed - 1]), ("rlhf", of[seed - 1]))
    ]
    own = picked(rows(pd.concat(frames), "simulation", NAMES), "all", "own")
    welch = stats.ttest_ind([0.65, 0.8], [(0.2 + 0.1) / 2, (0.6 + 0.4) / 2], equal_var=False).confidence_interval()
    assert (own["ci_low"], own["ci_high"]) == pytest.approx((welch.low, welch.high))
