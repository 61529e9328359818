"""Intervals, p-values and rank correlations against scipy, hand counts and enumeration."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from rewardscope.stats import (
    against,
    bootstrap_interval,
    correlation_interval,
    correlation_p,
    counted,
    kendall,
    paired,
    replicates,
    sign_flip_p,
    spearman,
    t_interval,
)

THEIRS = {spearman: scipy_stats.spearmanr, kendall: scipy_stats.kendalltau}


def test_t_interval_by_hand():
    # mean 4, standard deviation 2, n = 3: half width 4.302653 x 2 / sqrt(3) (t with 2 degrees of freedom, from a table)
    low, high = t_interval(np.array([2.0, 4.0, 6.0]))
    assert (low, high) == pytest.approx((4 - 4.968276, 4 + 4.968276), abs=1e-5)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_t_interval_is_scipys(level):
    values = np.random.default_rng(0).normal(3, 2, size=11)
    expected = scipy_stats.ttest_1samp(values, 0).confidence_interval(level)
    assert t_interval(values, level) == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_no_interval_of_fewer_than_two(values):
    assert all(map(math.isnan, t_interval(np.array(values))))
    assert all(map(math.isnan, bootstrap_interval(np.array(values), 10, 0)))


def test_sign_flip_by_hand():
    assert sign_flip_p(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])) == 2 / 64  # only ++++++ and ------ reach 21
    assert sign_flip_p(-np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])) == 2 / 64
    # sum 19 with the 1 negative; |sum| >= 19 also with none or all negative: 4 patterns
    assert sign_flip_p(np.array([-1.0, 2.0, 3.0, 4.0, 5.0, 6.0])) == 4 / 64
    # sum 15: the negative ones of a pattern sum to at most 3 (none, 1, 2, 1+2, 3) or its mirror
    assert sign_flip_p(np.array([1.0, 2.0, -3.0, 4.0, 5.0, 6.0])) == 10 / 64
    assert sign_flip_p(np.zeros(6)) == 1.0


@pytest.mark.parametrize("scale", [1, 10])
def test_sign_flip_counts_ties(scale):
    """Against exact integers: tenths do not sum exactly in floating point."""
    rng = np.random.default_rng(scale)
    for _ in range(50):
        tenths = rng.integers(-40 * scale, 40 * scale, size=7).tolist()
        sums = [abs(sum(s * t for s, t in zip(signs, tenths, strict=True))) for signs in itertools.product((1, -1), repeat=7)]
        exact = Fraction(sum(s >= abs(sum(tenths)) for s in sums), len(sums))
        assert sign_flip_p(np.array([t / 10 for t in tenths])) == float(exact)


@pytest.mark.parametrize("n", range(6))
def test_no_p_below_six(n):
    assert math.isnan(sign_flip_p(np.arange(1.0, n + 1)))


def test_no_p_of_a_missing_difference():
    assert math.isnan(sign_flip_p(np.array([1.0, 2.0, math.nan, 4.0, 5.0, 6.0])))


def test_paired():
    values = np.array([1.0, 2.0, -3.0, 4.0, 5.0, 6.0])
    low, high = t_interval(values)
    assert paired(values) == {"difference": 2.5, "ci_low": low, "ci_high": high, "p_value": 10 / 64}


@pytest.mark.parametrize("tenths", [(1, 1, 1, -1, -1, -1), (1, 2, -3, 1, 2, -3), (7, -1, -6, 3, -2, -1, 4, -4)])
def test_differences_that_sum_to_nothing_have_p_1(tenths):
    """Every sum is at least as far from 0, though tenths do not cancel exactly in floating point."""
    assert sum(tenths) == 0
    assert sign_flip_p(np.array(tenths) / 10) == sign_flip_p(np.array(tenths) * 1e9 / 3) == 1


def test_a_sum_that_nearly_cancels_has_its_ties():
    """The sum is a hundred thousandth of the differences' size, so that their rounding errors are large beside it."""
    tenths = [100_001, -100_000, 70_001, -70_000, 30_003, -30_004, 50_007, -50_007]
    sums = [abs(sum(s * t for s, t in zip(signs, tenths, strict=True))) for signs in itertools.product((1, -1), repeat=8)]
    assert sign_flip_p(np.array(tenths) / 10) == np.mean([s >= abs(sum(tenths)) for s in sums])


@pytest.mark.parametrize("n", [14, 16])
def test_sign_flip_is_exact_up_to_16(n):
    values = np.random.default_rng(n).integers(-9, 12, size=n).astype(float)
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    assert sign_flip_p(values, seed=1) == sign_flip_p(values, seed=2) == np.mean(np.abs(signs @ values) >= abs(values.sum()))


def test_sampled_sign_flip():
    values = np.random.default_rng(4).normal(0.4, 1, size=17)  # above 16: sampled
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=17)))
    exact = np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-9)
    assert 0.02 < exact < 0.5
    sampled = sign_flip_p(values, seed=1)
    assert sampled == pytest.approx(exact, abs=5 * math.sqrt(exact / 100_000))
    assert sampled != exact  # it was sampled
    assert sign_flip_p(values, seed=1) == sampled != sign_flip_p(values, seed=2)
    assert sign_flip_p(np.ones(40), draws=1000) == 1 / 1001  # never 0


def test_bootstrap_is_scipys():
    values = np.random.default_rng(5).exponential(2, size=60)
    expected = scipy_stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(6)).confidence_interval
    assert bootstrap_interval(values, 20_000, seed=7) == pytest.approx((expected.low, expected.high), abs=0.03)
    narrow = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", confidence_level=0.5, rng=np.random.default_rng(6)
    ).confidence_interval
    assert bootstrap_interval(values, 20_000, seed=7, level=0.5) == pytest.approx((narrow.low, narrow.high), abs=0.02)


def test_bootstrap_covers():
    """A 90 % interval holds the true mean in about 90 of 100 samples."""
    rng = np.random.default_rng(8)
    held = 0
    for i in range(300):
        low, high = bootstrap_interval(rng.normal(1, 3, size=50), 500, seed=i, level=0.9)
        held += low <= 1 <= high
    assert 0.84 <= held / 300 <= 0.94


def test_bootstrap_is_deterministic():
    values = np.arange(20.0)
    assert bootstrap_interval(values, 2500, seed=1) == bootstrap_interval(values, 2500, seed=1)
    assert bootstrap_interval(values, 2500, seed=1) != bootstrap_interval(values, 2500, seed=2)
    assert bootstrap_interval(np.full(5, 2.5), 100, seed=0) == (2.5, 2.5)


def measured(runs=("run1",)) -> pd.DataFrame:
    """Two layers, seeds and samples a run; `a` is a number of its own in every row, `b` is missing on the base side."""
    keys = [(run, layer, seed, sample, side) for run in runs for layer in (2, 5) for seed in (1, 2) for sample in (1, 2) for side in ("base", "rlhf")]
    rows = pd.DataFrame(keys, columns=["run", "layer", "seed", "sample", "side"])
    return rows.assign(a=[float(i * i) for i in range(len(rows))], b=np.where(rows["side"] == "base", np.nan, 1.0))


def test_replicates_by_hand():
    """Rows 0..15: layer, seed, sample, side from slow to fast; `a` is the row's number squared."""
    sides = replicates(measured(), ["a", "b"])
    base = [(0 + 64 + 4 + 100) / 2, (16 + 144 + 36 + 196) / 2]  # seed 1: rows 0, 8 and 2, 10; seed 2: 4, 12 and 6, 14
    rlhf = [(1 + 81 + 9 + 121) / 2, (25 + 169 + 49 + 225) / 2]
    assert sides["a"]["base"].tolist() == base and sides["a"]["rlhf"].tolist() == rlhf
    assert sides["b"]["base"].isna().all() and sides["b"]["rlhf"].tolist() == [2, 2]
    found = against(sides, "a")
    differences = np.array(rlhf) - base
    assert (found["base"], found["rlhf"], found["difference"]) == (np.mean(base), np.mean(rlhf), differences.mean())
    assert (found["ci_low"], found["ci_high"]) == t_interval(differences)
    assert counted(measured()) == {"samples": 2, "unit": "SAE seed", "runs": 1, "sae_seeds": 2}


def test_runs_are_the_replicates_where_there_are_several():
    rows = measured(("run1", "run2", "run10"))
    sides = replicates(rows, ["a"])
    assert sorted(sides.index) == ["run1", "run10", "run2"]
    own = rows[(rows["run"] == "run2") & (rows["side"] == "rlhf")]
    assert sides["a"]["rlhf"]["run2"] == own["a"].sum() / 4  # summed over two layers, averaged over two seeds and samples
    assert counted(rows)["unit"] == "RLHF run" and counted(rows)["runs"] == 3


def test_no_p_of_what_is_missing():
    assert math.isnan(sign_flip_p(np.array([1.0, 2.0, 3.0, 4.0, 5.0, math.nan])))


@pytest.mark.parametrize("ours", THEIRS)
@pytest.mark.parametrize("ties", [False, True])
def test_correlations_are_scipy_s(ours, ties):
    rng = np.random.default_rng(3)
    for n in (3, 8, 20):
        x, y = (rng.integers(0, 4, n) if ties else rng.normal(size=n) for _ in range(2))
        x[:2], y[:2] = (0, 3), (1, 0)  # never constant
        assert float(ours(x, y)) == pytest.approx(THEIRS[ours](x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("ours", THEIRS)
def test_many_correlations_at_once(ours):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    assert ours(x, y) == pytest.approx([float(ours(a, b)) for a, b in zip(x, y, strict=True)])
    assert ours(x[0], y) == pytest.approx([float(ours(x[0], b)) for b in y])
    assert np.isnan(ours(np.ones(7), y)).all() and math.isnan(ours(x[0], np.ones(7)))


def test_correlations_by_hand():
    x, y = np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])
    assert float(spearman(x, y)) == pytest.approx(1 - 6 * 2 / (4 * 15))  # 1 - 6 sum d^2 / n (n^2 - 1)
    assert float(kendall(x, y)) == pytest.approx((5 - 1) / 6)  # five pairs in the same order, one in the opposite


def test_exact_p_of_a_correlation():
    x = np.arange(5.0)
    assert correlation_p(spearman, x, x) == correlation_p(kendall, x, -x) == pytest.approx(2 / 120)
    rng = np.random.default_rng(1)
    for n in (5, 8):
        x, y = rng.normal(size=n), rng.normal(size=n)
        assert correlation_p(kendall, x, y) == pytest.approx(scipy_stats.kendalltau(x, y, method="exact").pvalue)


def test_sampled_p_of_a_correlation():
    rng = np.random.default_rng(2)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    assert correlation_p(kendall, x, y, seed=5) == pytest.approx(scipy_stats.kendalltau(x, y, method="exact").pvalue, rel=0.2)
    assert correlation_p(kendall, x, y, seed=5) == correlation_p(kendall, x, y, seed=5)
    assert correlation_p(spearman, x, x, draws=1000) == 1 / 1001  # the observed order counts


def test_no_correlation_of_too_few_equal_or_missing_points():
    x = np.arange(4.0)
    assert math.isnan(correlation_p(spearman, x, x)) and all(map(math.isnan, correlation_interval(spearman, x, x, 100, 0)))
    x = np.arange(6.0)
    assert math.isnan(correlation_p(spearman, x, np.ones(6))) and all(map(math.isnan, correlation_interval(kendall, x, np.ones(6), 100, 0)))
    y = np.where(x == 2, math.nan, x)
    for ours in THEIRS:
        assert math.isnan(correlation_p(ours, x, y)) and all(map(math.isnan, correlation_interval(ours, y, x, 100, 0)))


@pytest.mark.parametrize("ours", THEIRS)
def test_interval_of_a_correlation_is_scipy_s(ours):
    """scipy's percentile bootstrap of the same statistic, other draws."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=15)
    y = x + rng.normal(size=15)
    theirs = scipy_stats.bootstrap(
        (x, y), lambda a, b, axis: ours(a, b), paired=True, vectorized=True, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert correlation_interval(ours, x, y, 20_000, 7) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_resamples_of_one_point_are_left_out():
    x = np.arange(5.0)
    low, high = correlation_interval(kendall, x, x, 20_000, 0)  # one in 625 resamples is one point five times
    assert (low, high) == (1.0, 1.0)


@pytest.mark.parametrize("ours", THEIRS)
def test_a_correlation_of_0_has_p_1(ours):
    """In every order it is at least as far from 0."""
    x, y = np.arange(6) / 10, np.array([3.0, 1.0, 0.3, 0.3, 1.0, 3.0]) / 7  # the same from either end
    assert float(ours(x, y)) == 0 and correlation_p(ours, x, y) == correlation_p(ours, y, x) == 1
