"""Intervals, p-values and rank correlations against scipy, hand counts and enumeration."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from rewardscope.stats import (
    bootstrap_interval,
    counted,
    group_interval,
    kendall,
    per_seed,
    ratio_interval,
    replicates,
    sign_flip_p,
    spearman,
    t_interval,
    unit,
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


def test_p_by_hand():
    assert sign_flip_p(np.array([1.0, 2.0, -3.0, 4.0, 5.0, 6.0])) == 10 / 64


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


@pytest.mark.parametrize("values", [[0.0] * 6, [2.5] * 5, [0.1 + 0.2, 0.3, 0.3], [1e9 / 3, 1e9 / 3 * (1 + 1e-15)]])
def test_equal_values_are_no_certainty(values):
    """They do not say how far another would be, and rounding is no spread; the p of a sign flip needs none."""
    assert all(map(math.isnan, (*t_interval(np.array(values)), *bootstrap_interval(np.array(values), 100, 0))))
    assert not any(map(math.isnan, t_interval(np.array([*values, 1.001 * values[0] + 1e-6]))))
    assert sign_flip_p(np.ones(6)) == 2 / 64


def measured(runs=("run1",)) -> pd.DataFrame:
    """Two layers, seeds and samples a run; `a` is a number of its own in every row, `b` is missing on the base side."""
    keys = [(run, layer, seed, sample, side) for run in runs for layer in (2, 5) for seed in (1, 2) for sample in (1, 2) for side in ("base", "rlhf")]
    rows = pd.DataFrame(keys, columns=["run", "layer", "seed", "sample", "side"])
    return rows.assign(a=[float(i * i) for i in range(len(rows))], b=np.where(rows["side"] == "base", np.nan, 1.0))


def test_values_by_seed_by_hand():
    """Rows 0..15: layer, seed, sample, side from slow to fast; `a` is the row's number squared."""
    seeds = per_seed(measured(), ["a", "b"])
    base = [(0 + 64 + 4 + 100) / 2, (16 + 144 + 36 + 196) / 2]  # seed 1: rows 0, 8 and 2, 10; seed 2: 4, 12 and 6, 14
    rlhf = [(1 + 81 + 9 + 121) / 2, (25 + 169 + 49 + 225) / 2]
    assert seeds.index.tolist() == [("run1", 1), ("run1", 2)]
    assert seeds["a"]["base"].tolist() == base and seeds["a"]["rlhf"].tolist() == rlhf
    assert seeds["b"]["base"].isna().all() and seeds["b"]["rlhf"].tolist() == [2, 2]
    alone = replicates(measured(), ["a"])
    assert alone.index.tolist() == [1, 2] and alone["a"]["rlhf"].tolist() == rlhf
    assert counted(measured()) == {"samples": 2, "unit": "SAE noise of one run", "runs": 1, "sae_seeds": 2}


def test_runs_are_the_replicates_where_there_are_several():
    rows = measured(("run1", "run2", "run10"))
    sides = replicates(rows, ["a"])
    assert sorted(sides.index) == ["run1", "run10", "run2"]
    own = rows[(rows["run"] == "run2") & (rows["side"] == "rlhf")]
    assert sides["a"]["rlhf"]["run2"] == own["a"].sum() / 4  # summed over two layers, averaged over two seeds and samples
    assert per_seed(rows, ["a"])["a"]["rlhf"]["run2", 2] == own[own["seed"] == 2]["a"].sum() / 2
    assert counted(rows)["unit"] == "tuning run" and counted(rows)["runs"] == 3


def test_an_interval_says_what_it_speaks_of():
    assert [unit(runs) for runs in (1, 2, 9)] == ["SAE noise of one run", "tuning run", "tuning run"]


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


# ---- a bootstrap of groups ---------------------------------------------------------------------
@pytest.mark.parametrize("ours", THEIRS)
def test_interval_of_points_that_are_groups_of_their_own_is_scipy_s(ours):
    """scipy's percentile bootstrap of the same statistic, other draws."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=15)
    y = x + rng.normal(size=15)
    theirs = scipy_stats.bootstrap(
        (x, y), lambda a, b, axis: ours(a, b), paired=True, vectorized=True, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert group_interval(ours, x, y, np.arange(15), 5, 1500, 7) == pytest.approx((theirs.low, theirs.high), abs=0.08)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_groups_are_drawn_whole(level):
    """Against all 27 resamples of three groups of two, one and three points, which stand in no order."""
    groups = np.array(["c", "a", "b", "c", "a", "c"])
    x, y = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), np.array([2.0, 1.0, 6.0, 3.0, 4.0, 5.0])
    members = {"a": [1, 4], "b": [2], "c": [0, 3, 5]}
    points = [sum((members[name] for name in chosen), []) for chosen in itertools.product("abc", repeat=3)]
    every = [float(kendall(x[chosen], y[chosen])) for chosen in points]
    assert sum(map(math.isnan, every)) == 1  # b alone, three times: one point
    expected = np.nanquantile(every, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    assert group_interval(kendall, x, y, groups, 3, 4000, 1, level) == pytest.approx(expected.tolist())


def test_no_interval_of_few_groups_or_equal_points():
    x, groups = np.arange(8.0), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    assert all(map(math.isnan, group_interval(spearman, x, x, groups, 5, 100, 0)))  # eight points, and four groups
    assert all(map(math.isnan, group_interval(spearman, x, x, groups, 4, 100, 0)))  # 1 in each resample
    assert not any(map(math.isnan, group_interval(spearman, x, x**2 % 5, groups, 4, 100, 0)))
    assert all(map(math.isnan, group_interval(spearman, x, np.ones(8), groups, 4, 100, 0)))
    assert all(map(math.isnan, group_interval(kendall, np.where(x == 2, math.nan, x), x, groups, 4, 100, 0)))


def test_group_interval_is_what_its_seed_says():
    x, y = np.random.default_rng(0).normal(size=(2, 12))
    one, same, other = (group_interval(spearman, x, y, np.arange(12) // 2, 5, 200, seed) for seed in (1, 1, 2))
    assert one == same != other


def test_the_interval_of_a_ratio_draws_pairs():
    rng = np.random.default_rng(0)
    whole = rng.normal(2, 1, 400)
    part = whole / 2 + rng.normal(0, 0.1, 400)
    low, high = ratio_interval(part, whole, 20_000, seed=1)
    ratio = lambda a, b, axis: a.mean(axis=axis) / b.mean(axis=axis)
    theirs = scipy_stats.bootstrap((part, whole), ratio, paired=True, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=5e-4) and 0.48 < low < high < 0.52
    for same in (whole / 3, 0 * whole):
        assert np.isnan(ratio_interval(same, whole, 100, 1)).all()
    assert np.isnan(ratio_interval(whole[:1], whole[:1] ** 2, 100, 1)).all()
    low, high = ratio_interval(np.array([1.0, 5.0]), np.array([2.0, 0.0]), 1000, 1)  # resamples: 1 / 2, 6 / 2, and 10 / 0, left out
    assert (low, high) == (0.5, 3.0)
