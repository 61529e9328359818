"""Intervals, p-values and rank correlations, by SciPy. One replicate is what its name says: an SAE seed, a prompt, an RLHF run."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy  # loads a part of itself when it is first used; `scipy.stats` takes most of a second

BATCH = 1000  # resamples, signs or orders that are in memory at a time
Correlation = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(x, y), both `[..., n]`, to correlations `[...]`; nan where either is constant"""


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student's t interval for the mean of `values` `[n]`, n - 1 degrees of freedom; nan below two values."""
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    half = scipy.special.stdtrit(n - 1, (1 + level) / 2) * np.std(values, ddof=1) / math.sqrt(n)
    return float(np.mean(values) - half), float(np.mean(values) + half)


def sign_flip_p(differences: np.ndarray, seed: int = 0, draws: int = 100_000) -> float:
    """Two-sided p of the mean of paired `differences` `[n]` under random signs; nan below six replicates or where one is nan.

    Exact (all 2^n patterns) where that is at most `draws`: up to 16 replicates, sampled above. With n replicates it cannot
    fall below 2 / 2^n: below six it could never reach 0.05, so it is not given; nor is it where a difference is nan.
    """
    if len(differences) < 6 or np.isnan(differences).any():
        return math.nan
    most = np.abs(differences).sum()
    # SciPy takes for ties what is equal up to a tolerance relative to the observed value: `most` keeps that above 0 where the sum is 0.
    return _permutation_p(lambda flipped, axis: most + np.abs(flipped.sum(axis=axis)), differences, "samples", seed, draws)


def _permutation_p(size: Callable[..., np.ndarray], values: np.ndarray, kind: str, seed: int, draws: int) -> float:
    """Share of rearrangements of `values` `[n]` whose `size(values, axis)` is at least as large; all if at most `draws`, else so many drawn."""
    return scipy.stats.permutation_test(
        (values,), size, permutation_type=kind, vectorized=True, n_resamples=draws, batch=BATCH, alternative="greater", rng=seed
    ).pvalue.item()


def paired(differences: np.ndarray) -> dict[str, float]:
    """`difference, ci_low, ci_high, p_value` of replicates' `differences` `[n]`: mean, t interval, sign-flip p."""
    low, high = t_interval(differences)
    return {"difference": float(np.mean(differences)), "ci_low": low, "ci_high": high, "p_value": sign_flip_p(differences)}


def bootstrap_interval(values: np.ndarray, resamples: int, seed: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval for the mean of `values` `[n]` (paired differences for a paired interval)."""
    if len(values) < 2:
        return math.nan, math.nan
    low, high = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=resamples, batch=BATCH, confidence_level=level, method="percentile", rng=seed
    ).confidence_interval
    return float(low), float(high)


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's rho: the linear correlation of ranks, equal values sharing their mean rank."""
    a, b = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (scipy.stats.rankdata(values, axis=-1) for values in (x, y)))
    return _cosine(a, b)


def kendall(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Kendall's tau-b: pairs of points in the same order less pairs in opposite order, over what ties leave possible."""
    i, j = np.triu_indices(np.shape(x)[-1], 1)
    a, b = (np.sign(np.asarray(values)[..., i] - np.asarray(values)[..., j]) for values in (x, y))
    return _cosine(a, b)


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product, size = (a * b).sum(axis=-1), np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.divide(product, size, out=np.full_like(product, math.nan, dtype=float), where=size > 0)


def correlation_p(statistic: Correlation, x: np.ndarray, y: np.ndarray, seed: int = 0, draws: int = 100_000) -> float:
    """Two-sided p of `statistic` when either order of `x` and `y` `[n]` is as likely as any; nan below five points.

    Exact (all n! orders) where that is at most `draws`: up to 8 points, sampled above. It cannot fall below 2 / n!: below five
    points it could never reach 0.05, so it is not given; nor is it where all values are equal.
    """
    if len(x) < 5 or np.isnan(statistic(x, y)):
        return math.nan
    # Sums of ranks and of signs are exact in floating point: ties need no tolerance.
    return _permutation_p(lambda order, axis: np.abs(statistic(order, y)), x, "pairings", seed, draws)


def correlation_interval(statistic: Correlation, x: np.ndarray, y: np.ndarray, resamples: int, seed: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of `statistic` over points `[n]`; nan below five points.

    A resample of one point only has no correlation and is left out.
    """
    if len(x) < 5 or np.isnan(statistic(x, y)):
        return math.nan, math.nan
    with warnings.catch_warnings():  # of resamples of one point, in words about another method
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)
        resampled = scipy.stats.bootstrap(
            (x, y), lambda a, b, axis: statistic(a, b), paired=True, vectorized=True,
            n_resamples=resamples, batch=BATCH, method="percentile", rng=seed,
        ).bootstrap_distribution  # fmt: skip
    low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def replicates(rows: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    """`values` of every replicate, columns (value, side), from rows with the columns run, seed, sample and side.

    Rows of one sample are summed (layers); samples are averaged inside a seed. The replicate is the SAE seed of one
    run or, where there are several, the run.
    """
    keys = ["run", "seed", "side"]
    per_seed = rows.groupby([*keys, "sample"])[values].sum(min_count=1).groupby(keys).mean()
    unit = "run" if rows["run"].nunique() > 1 else "seed"
    return per_seed.groupby([unit, "side"]).mean().unstack("side")


def counted(rows: pd.DataFrame) -> dict:
    """What a replicate of `rows` is, and how many there are: columns of a table."""
    runs = rows["run"].nunique()
    unit = "RLHF run" if runs > 1 else "SAE seed"
    return {"samples": rows["sample"].nunique(), "unit": unit, "runs": runs, "sae_seeds": rows["seed"].nunique()}


def against(sides: pd.DataFrame, value: str) -> dict[str, float]:
    """Base against RLHF over `replicates`: both means, their difference, its t interval and exact sign-flip p."""
    base, rlhf = sides[value]["base"], sides[value]["rlhf"]
    return {"base": base.mean(), "rlhf": rlhf.mean(), **paired((rlhf - base).to_numpy())}
