"""Rank correlations of paired values, with exact p-values for few points and bootstrap intervals."""
import itertools
import math
from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

EXACT = 8  # up to this many points every order is enumerated (8! = 40320)
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(x, y), both `[..., n]`, to correlations `[...]`; nan where either is constant"""


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's rho: the linear correlation of ranks, equal values sharing their mean rank."""
    a, b = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (rankdata(x, axis=-1), rankdata(y, axis=-1)))
    return _cosine(a, b)


def kendall(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Kendall's tau-b: pairs of points in the same order less pairs in opposite order, over what ties leave possible."""
    i, j = np.triu_indices(np.shape(x)[-1], 1)
    a, b = (np.sign(np.asarray(values)[..., i] - np.asarray(values)[..., j]) for values in (x, y))
    return _cosine(a, b)


def permutation_p(statistic: Statistic, x: np.ndarray, y: np.ndarray, seed: int = 0, draws: int = 100_000) -> float:
    """Two-sided p of `statistic` when either order of `x` and `y` `[n]` is as likely as any; nan below five points.

    Exact (all n! orders) up to 8 points, sampled above. It cannot fall below 2 / n!: below five points it could never reach
    0.05, so it is not given; nor is it where all values are equal.
    """
    n, observed = len(x), statistic(x, y)
    if n < 5 or math.isnan(observed):
        return math.nan
    if n <= EXACT:
        orders, extra = np.array(list(itertools.permutations(range(n)))), 0  # the observed order is among them
    else:
        orders, extra = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (draws, 1)), axis=1), 1
    hits = sum(np.count_nonzero(np.abs(statistic(x, y[part])) >= abs(observed) - 1e-12) for part in _parts(orders))
    return (hits + extra) / (len(orders) + extra)


def bootstrap_interval(
    statistic: Statistic, x: np.ndarray, y: np.ndarray, resamples: int, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of `statistic` over points `[n]`; nan below five points.

    A resample of one point only has no correlation and is left out.
    """
    n = len(x)
    if n < 5:
        return math.nan, math.nan
    rows = np.random.default_rng(seed).integers(n, size=(resamples, n))
    found = np.concatenate([statistic(x[part], y[part]) for part in _parts(rows)])
    if np.isnan(found).all():
        return math.nan, math.nan
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product, size = (a * b).sum(axis=-1), np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.divide(product, size, out=np.full_like(product, math.nan, dtype=float), where=size > 0)


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    """Blocks of rows that keep the pairs of points small in memory."""
    return np.array_split(rows, max(1, len(rows) // 10_000))
