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
    return scores.assign(place=range(1, len(own) + 1), side=side, unparsed=1, cost=0.5, explainer="tokens", **place)


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
    assert (own["unit"], own["runs"]) == ("RLHF run", 3) and math.isnan(own["p_value"])
    side = stats.ttest_1samp([0.3, 0.8, 0.5], 0).confidence_interval()
    assert (own["rlhf_low"], own["rlhf_high"]) == pytest.approx((side.low, side.high))


def test_a_side_without_living_features_leaves_no_rows():
    assert rows(frame("rlhf", [0.5]), "simulation", NAMES) == []
