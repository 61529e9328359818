"""Independent samples against scipy and all splits; base against RLHF of one run, runs with SAEs of their own, runs that share the base's."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from seed_values import of_seeds

from rewardscope.stats import against, two_sample_p, welch

ENDS = ("difference", "ci_low", "ci_high")
BASE, RLHF = [3.0, 1.0, 4.0, 1.5, 5.0, 9.0], [6.0, 9.5, 7.0, 9.0, 3.5, 12.0]


# ---- independent samples -----------------------------------------------------------------------
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_welch_of_two_samples_is_scipys(level):
    rng = np.random.default_rng(0)
    a, b = rng.normal(3, 2, size=11), rng.normal(1, 5, size=4)
    theirs = scipy_stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    assert welch([(1.0, a), (-1.0, b)], level) == pytest.approx((a.mean() - b.mean(), theirs.low, theirs.high), rel=1e-12)


def test_welch_of_one_sample_is_student_s():
    a = np.random.default_rng(1).normal(3, 2, size=7)
    theirs = scipy_stats.ttest_1samp(a, 0).confidence_interval(0.9)
    assert welch([(1.0, a)], 0.9) == pytest.approx((a.mean(), theirs.low, theirs.high), rel=1e-12)
    assert welch([(-2.0, a)], 0.9) == pytest.approx((-2 * a.mean(), -2 * theirs.high, -2 * theirs.low), rel=1e-12)


def test_welch_of_three_samples_by_hand():
    """2 mean(a) - mean(b) + mean(c): variances of the parts 4 x 2 / 2, 1 x 12 / 3 and 1 x 8 / 2, degrees of freedom 1, 2 and 1."""
    a, b, c = np.array([1.0, 3.0]), np.array([0.0, 6.0, 6.0]), np.array([5.0, 9.0])
    freedom = (4 + 4 + 4) ** 2 / (16 / 1 + 16 / 2 + 16 / 1)
    half = scipy_stats.t.ppf(0.975, freedom) * math.sqrt(12)
    assert welch([(2.0, a), (-1.0, b), (1.0, c)]) == pytest.approx((4 - 4 + 7, 7 - half, 7 + half), rel=1e-12)


def test_welch_without_a_spread():
    same = welch([(1.0, np.full(3, 2.5)), (-1.0, np.full(2, 0.5))])
    assert same[0] == 2 and all(map(math.isnan, same[1:]))  # equal values are no certainty
    one = welch([(1.0, np.full(3, 2.5)), (-1.0, np.array([0.0, 1.0]))])
    assert one == pytest.approx((2, 2 - 12.7062 * 0.5, 2 + 12.7062 * 0.5), rel=1e-4)  # the other's one degree of freedom
    assert all(map(math.isnan, welch([(1.0, np.array([])), (-1.0, np.arange(3.0))])))
    estimate, low, high = welch([(1.0, np.array([1.0, 3.0])), (-1.0, np.array([5.0]))])
    assert estimate == -3 and math.isnan(low) and math.isnan(high)  # one value has no spread to be told
    assert all(map(math.isnan, welch([(1.0, np.array([1.0, math.nan])), (-1.0, np.zeros(2))])))


def splits(values: list[int], n: int) -> Fraction:
    """The share of splits into n and the others whose means are as far apart as those of the first n and the others."""
    far = []
    for chosen in itertools.combinations(range(len(values)), n):
        inside = sum(values[i] for i in chosen)
        far.append(abs(Fraction(inside, n) - Fraction(sum(values) - inside, len(values) - n)))
    return Fraction(sum(f >= far[0] for f in far), len(far))  # the first combination is 0..n-1


def test_two_sample_p_by_hand():
    low, high = np.arange(6.0), np.arange(10.0, 16.0)
    assert two_sample_p(low, high) == two_sample_p(high, low) == 2 / 924  # only the two splits at the gap
    assert two_sample_p(np.ones(4), np.ones(4)) == 1


@pytest.mark.parametrize("sizes", [(4, 4), (5, 4), (3, 6), (6, 6)])
def test_two_sample_p_is_that_of_all_splits(sizes):
    """Against exact fractions: tenths do not sum exactly in floating point, and few different ones have many ties."""
    rng = np.random.default_rng(sum(sizes))
    for i in range(8):
        tenths = rng.integers(-4, 5, size=sum(sizes)) if i % 2 else rng.integers(-400, 400, size=sum(sizes))
        a, b = np.split(tenths / 10, [sizes[0]])
        assert two_sample_p(a, b) == float(splits(tenths.tolist(), sizes[0]))


@pytest.mark.parametrize("tenths", [(0, 6, 6, 2, 4, 9, 3, -2), (3, 0, -5, 1, 5, -4, -1, -1), (4, -1, -5, -3, -7, -3, -1, 6)])
def test_equal_means_have_p_1(tenths):
    """Every split is at least as far apart, though the means of tenths are not equal in floating point."""
    a, b = np.split(np.array(tenths) / 10, 2)
    assert sum(tenths[:4]) == sum(tenths[4:]) and two_sample_p(a, b) == two_sample_p(b, a) == 1


@pytest.mark.parametrize("sizes", [(0, 6), (1, 6), (2, 2), (3, 4), (2, 7)])
def test_no_two_sample_p_that_could_not_reach_5_percent(sizes):
    assert 2 / math.comb(sum(sizes), sizes[0]) > 0.05
    assert math.isnan(two_sample_p(np.arange(float(sizes[0])), 100 + np.arange(float(sizes[1]))))


def test_no_two_sample_p_of_what_is_missing():
    a, b = np.arange(6.0), np.array([10.0, 11.0, math.nan, 13.0, 14.0, 15.0])
    assert math.isnan(two_sample_p(a, b)) and math.isnan(two_sample_p(b, a))


def test_sampled_two_sample_p():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=8), rng.normal(0.8, size=8)
    exact = two_sample_p(a, b)  # all 12,870 splits
    assert exact == two_sample_p(a, b, seed=1) and 0.01 < exact < 0.5
    sampled = two_sample_p(a, b, seed=1, draws=10_000)
    assert sampled == pytest.approx(exact, abs=5 * math.sqrt(exact / 10_000))
    assert sampled == two_sample_p(a, b, seed=1, draws=10_000) != two_sample_p(a, b, seed=2, draws=10_000)
    assert two_sample_p(np.arange(20.0), 100 + np.arange(20.0), draws=1000) == 1 / 1001  # never 0


# ---- base against RLHF -------------------------------------------------------------------------
def test_seeds_of_one_run_are_no_pairs():
    """Welch's interval and the permutation of all twelve; which base seed has which number says nothing."""
    found = against(of_seeds({"run1": BASE}, {"run1": RLHF}), "a")
    theirs = scipy_stats.ttest_ind(RLHF, BASE, equal_var=False).confidence_interval()
    assert (found["base"], found["rlhf"]) == pytest.approx((np.mean(BASE), np.mean(RLHF)))
    assert [found[end] for end in ENDS] == pytest.approx([np.mean(RLHF) - np.mean(BASE), theirs.low, theirs.high])
    apart = lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis)
    assert found["p_value"] == pytest.approx(scipy_stats.permutation_test((RLHF, BASE), apart, n_resamples=np.inf).pvalue)
    for order in ([1, 2, 3, 4, 5, 0], [5, 3, 1, 0, 2, 4]):
        shuffled = against(of_seeds({"run1": [BASE[i] for i in order]}, {"run1": RLHF}), "a")
        assert shuffled == pytest.approx(found)


def test_separated_seeds_of_one_run():
    assert against(of_seeds({"run1": BASE}, {"run1": [10.0 + a for a in BASE]}), "a")["p_value"] == 2 / 924
    assert math.isnan(against(of_seeds({"run1": BASE[:3]}, {"run1": [10.0 + a for a in BASE[:4]]}), "a")["p_value"])


def test_one_seed_has_a_difference_alone():
    found = against(of_seeds({"run1": [1.0]}, {"run1": [3.0]}), "a")
    assert (found["base"], found["rlhf"], found["difference"]) == (1, 3, 2)
    assert all(math.isnan(found[key]) for key in ("ci_low", "ci_high", "p_value"))


def test_a_seed_without_a_value_is_left_out():
    """As in a run among several: its SAE has no ranked feature, and says nothing of those that have."""
    found = against(of_seeds({"run1": BASE}, {"run1": [*RLHF[:5], math.nan]}), "a")
    assert found == pytest.approx(against(of_seeds({"run1": BASE}, {"run1": RLHF[:5]}), "a")) and found["rlhf"] == np.mean(RLHF[:5])
    two = of_seeds({"run1": [1.0, 3.0], "run2": [2.0, math.nan]}, {"run1": [4.0, 6.0], "run2": [7.0, math.nan]})
    found = against(two, "a")
    theirs = scipy_stats.ttest_1samp([3.0, 5.0], 0).confidence_interval()
    assert [found[end] for end in ENDS] == pytest.approx([4, theirs.low, theirs.high])
    assert found["rlhf"] - found["base"] == 4  # a mean over runs, of which the second has one seed


def test_a_run_without_a_value_leaves_nothing_to_compare():
    nothing = {"run1": [1.0, 3.0], "run2": [math.nan, math.nan]}
    for seeds in (of_seeds(nothing, nothing), of_seeds({"run1": [math.nan]}, {"run1": [math.nan]})):
        found = against(seeds, "a")
        assert all(math.isnan(found[key]) for key in (*ENDS, "p_value"))


def test_a_shared_base_whose_features_are_not_all_compared():
    """Run 2's RLHF side has fewer features, so fewer of the same base's count: its seeds' noise is in the interval all the same."""
    base, rlhf = {"run1": [1.0, 5.0], "run2": [0.5, 3.5]}, {"run1": [8.0, 9.0], "run2": [6.0, 6.5]}
    own = of_seeds(base, rlhf)
    known = own.join(pd.concat({("shared", side): pd.Series(1, own.index) for side in ("base", "rlhf")}, axis=1))
    theirs = scipy_stats.ttest_ind([8.5, 6.25], [0.75, 4.25], equal_var=False).confidence_interval()
    assert [against(known, "a")[end] for end in ENDS] == pytest.approx([7.375 - 2.5, theirs.low, theirs.high])
    assert against(own, "a")["ci_high"] - against(own, "a")["ci_low"] < theirs.high - theirs.low


def test_runs_with_saes_of_their_own():
    """Student's t over the runs' differences, each a mean over its seeds: 4 - 1, 8 - 3, 3 - 2."""
    base = {"run1": [0.0, 2.0], "run2": [3.0, 3.0], "run10": [1.0, 3.0]}
    rlhf = {"run1": [4.0, 4.0], "run2": [9.0, 7.0], "run10": [2.0, 4.0]}
    found = against(of_seeds(base, rlhf), "a")
    theirs = scipy_stats.ttest_1samp([3.0, 5.0, 1.0], 0).confidence_interval()
    assert [found[end] for end in ENDS] == pytest.approx([3, theirs.low, theirs.high])
    assert (found["base"], found["rlhf"]) == (2, 5) and math.isnan(found["p_value"])  # three runs


def test_six_runs_have_a_sign_flip_p():
    base, rlhf = {f"run{i}": [0.0, i] for i in range(1, 7)}, {f"run{i}": [1.0, 2.0 * i] for i in range(1, 7)}
    assert against(of_seeds(base, rlhf), "a")["p_value"] == 2 / 64
    del base["run6"], rlhf["run6"]
    assert math.isnan(against(of_seeds(base, rlhf), "a")["p_value"])


def shared(base: list[float], rlhf: dict[str, list[float]]) -> dict:
    return against(of_seeds(dict.fromkeys(rlhf, base), rlhf), "a")


def test_a_base_that_all_runs_share_adds_its_own_noise():
    """The runs' RLHF means 4, 8, 3 and 7 against the seeds of one base, not the runs' differences from its mean."""
    base, rlhf = [1.0, 4.0, 2.5], {"run1": [4.0, 5.0, 3.0], "run2": [9.0, 7.0, 8.0], "run3": [2.0, 3.0, 4.0], "run4": [7.0, 7.0, 7.0]}
    found, means = shared(base, rlhf), [4.0, 8.0, 3.0, 7.0]
    theirs = scipy_stats.ttest_ind(means, base, equal_var=False).confidence_interval()
    assert [found[end] for end in ENDS] == pytest.approx([3, theirs.low, theirs.high])
    assert math.isnan(found["p_value"])


def test_six_runs_of_a_shared_base_have_no_p():
    """All differences hang on the same base: no signs are free. Without noise in the base they are."""
    rlhf = {f"run{i}": [10.0 + i, 11.0 + i] for i in range(6)}
    assert math.isnan(shared([1.0, 2.0], rlhf)["p_value"]) and math.isnan(shared([1.0], rlhf)["p_value"])
    assert shared([0.0, 0.0], rlhf)["p_value"] == shared([2.0, 2.0], rlhf)["p_value"] == 2 / 64
    assert shared([20.0, 20.0], rlhf)["p_value"] == 2 / 64 < shared([13.0, 13.0], rlhf)["p_value"]


def test_one_seed_of_a_shared_base_has_no_spread_to_be_told():
    found = shared([1.0], {"run1": [4.0], "run2": [6.0]})
    assert found["difference"] == 4 and math.isnan(found["ci_low"]) and math.isnan(found["ci_high"])


@pytest.mark.filterwarnings("error")
def test_a_shared_base_stays_shared_where_a_seed_has_no_value():
    whole, holed = (shared(base, {"run1": [4.0, 5.0, 3.0], "run2": [9.0, 7.0, 8.0]}) for base in ([1.0, 4.0], [1.0, math.nan, 4.0]))
    assert holed == pytest.approx(whole, nan_ok=True) and holed["ci_high"] > 0
    empty = shared([math.nan, math.nan], {"run1": [4.0, 5.0], "run2": [9.0, 7.0]})
    assert all(math.isnan(empty[key]) for key in (*ENDS, "p_value"))
