"""Rank correlations against scipy, enumeration and hand counts."""
import math

import numpy as np
import pytest
from scipy import stats

from rewardscope.correlation import bootstrap_interval, kendall, permutation_p, spearman

THEIRS = {spearman: stats.spearmanr, kendall: stats.kendalltau}


@pytest.mark.parametrize("ours", THEIRS)
@pytest.mark.parametrize("ties", [False, True])
def test_statistics_are_scipy_s(ours, ties):
    rng = np.random.default_rng(3)
    for n in (3, 8, 20):
        x, y = (rng.integers(0, 4, n) if ties else rng.normal(size=n) for _ in range(2))
        x[:2], y[:2] = (0, 3), (1, 0)  # never constant
        assert float(ours(x, y)) == pytest.approx(THEIRS[ours](x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("ours", THEIRS)
def test_many_at_once(ours):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    assert ours(x, y) == pytest.approx([float(ours(a, b)) for a, b in zip(x, y, strict=True)])
    assert ours(x[0], y) == pytest.approx([float(ours(x[0], b)) for b in y])
    assert np.isnan(ours(np.ones(7), y)).all() and math.isnan(ours(x[0], np.ones(7)))


def test_by_hand():
    x, y = np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])
    assert float(spearman(x, y)) == pytest.approx(1 - 6 * 2 / (4 * 15))  # 1 - 6 sum d^2 / n (n^2 - 1)
    assert float(kendall(x, y)) == pytest.approx((5 - 1) / 6)  # five pairs in the same order, one in the opposite


def test_exact_p():
    x = np.arange(5.0)
    assert permutation_p(spearman, x, x) == permutation_p(kendall, x, -x) == pytest.approx(2 / 120)
    rng = np.random.default_rng(1)
    for n in (5, 8):
        x, y = rng.normal(size=n), rng.normal(size=n)
        assert permutation_p(kendall, x, y) == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue)


def test_sampled_p():
    rng = np.random.default_rng(2)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    assert permutation_p(kendall, x, y, seed=5) == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue, rel=0.2)
    assert permutation_p(kendall, x, y, seed=5) == permutation_p(kendall, x, y, seed=5)
    assert permutation_p(spearman, x, x, draws=1000) == 1 / 1001  # the observed order counts


def test_nothing_of_too_few_or_equal_points():
    x = np.arange(4.0)
    assert math.isnan(permutation_p(spearman, x, x)) and all(map(math.isnan, bootstrap_interval(spearman, x, x, 100, 0)))
    x = np.arange(6.0)
    assert math.isnan(permutation_p(spearman, x, np.ones(6))) and all(map(math.isnan, bootstrap_interval(kendall, x, np.ones(6), 100, 0)))


@pytest.mark.parametrize("ours", THEIRS)
def test_bootstrap_is_scipy_s(ours):
    """scipy's percentile bootstrap of the same statistic, other draws."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=15)
    y = x + rng.normal(size=15)
    theirs = stats.bootstrap(
        (x, y), lambda a, b, axis: ours(a, b), paired=True, vectorized=True, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert bootstrap_interval(ours, x, y, 20_000, 7) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_bootstrap_leaves_out_resamples_of_one_point():
    x = np.arange(5.0)
    low, high = bootstrap_interval(kendall, x, x, 20_000, 0)  # one in 625 resamples is one point five times
    assert (low, high) == (1.0, 1.0)
