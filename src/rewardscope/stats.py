"""Intervals and p-values. One replicate is what its name says: an SAE seed, or a prompt."""
import itertools
import math

import numpy as np
import pandas as pd
from scipy.special import stdtrit

EXACT = 14  # up to this many replicates every sign pattern is enumerated (2^14)


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student's t interval for the mean of `values` `[n]`, n - 1 degrees of freedom; nan below two values."""
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    half = stdtrit(n - 1, (1 + level) / 2) * np.std(values, ddof=1) / math.sqrt(n)
    return float(np.mean(values) - half), float(np.mean(values) + half)


def sign_flip_p(differences: np.ndarray, seed: int = 0, draws: int = 100_000) -> float:
    """Two-sided p of the mean of paired `differences` `[n]` under random signs; nan below six replicates or where one is nan.

    Exact (all 2^n patterns) up to 14 replicates, sampled above. With n replicates it cannot fall below 2 / 2^n:
    below six it could never reach 0.05, so it is not given; nor is it where a difference is nan.
    """
    n = len(differences)
    if n < 6 or np.isnan(differences).any():
        return math.nan
    if n <= EXACT:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=n)))
        extra = 0  # the observed pattern is among them
    else:
        signs = np.random.default_rng(seed).choice([1.0, -1.0], size=(draws, n))
        extra = 1
    sums = np.abs(signs @ differences)
    observed = abs(np.sum(differences))
    hits = np.count_nonzero(sums >= observed * (1 - 1e-12)) + extra
    return hits / (len(signs) + extra)


def paired(differences: np.ndarray) -> dict[str, float]:
    """`difference, ci_low, ci_high, p_value` of replicates' `differences` `[n]`: mean, t interval, sign-flip p."""
    low, high = t_interval(differences)
    return {"difference": float(np.mean(differences)), "ci_low": low, "ci_high": high, "p_value": sign_flip_p(differences)}


def bootstrap_interval(values: np.ndarray, resamples: int, seed: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval for the mean of `values` `[n]` (paired differences for a paired interval)."""
    if len(values) < 2:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start in range(0, resamples, 1000):  # keeps the index matrix small
        count = min(1000, resamples - start)
        rows = rng.integers(len(values), size=(count, len(values)))
        means[start : start + count] = values[rows].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
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
