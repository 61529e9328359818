"""Intervals, p-values and rank correlations, by SciPy. One replicate is what its name says: an SAE seed, a prompt, an RLHF run."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy  # loads a part of itself when it is first used; `scipy.stats` takes most of a second

BATCH = 1000  # resamples, signs or orders that are in memory at a time
Correlation = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(x, y), both `[..., n]`, to correlations `[...]`; nan where either is constant"""


def _alike(values: np.ndarray) -> bool:
    """Whether `values` `[n]` are equal but for rounding (or none): they say nothing of their spread, and no interval of theirs has a width."""
    return not len(values) or bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student's t interval for the mean of `values` `[n]`, n - 1 degrees of freedom; nan below two values and of equal ones."""
    n = len(values)
    if n < 2 or _alike(values):
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
    return _permutation_p(lambda flipped, axis: most + np.abs(flipped.sum(axis=axis)), (differences,), "samples", seed, draws)


def _permutation_p(size: Callable[..., np.ndarray], values: tuple[np.ndarray, ...], kind: str, seed: int, draws: int) -> float:
    """Share of rearrangements of `values` whose `size(*values, axis)` is at least as large; all if at most `draws`, else so many drawn."""
    return scipy.stats.permutation_test(
        values, size, permutation_type=kind, vectorized=True, n_resamples=draws, batch=BATCH, alternative="greater", rng=seed
    ).pvalue.item()


def bootstrap_interval(values: np.ndarray, resamples: int, seed: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval for the mean of `values` `[n]` (paired differences for a paired interval); nan as `t_interval`."""
    if len(values) < 2 or _alike(values):
        return math.nan, math.nan
    low, high = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=resamples, batch=BATCH, confidence_level=level, method="percentile", rng=seed
    ).confidence_interval
    return float(low), float(high)


def ratio_interval(part: np.ndarray, whole: np.ndarray, resamples: int, seed: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval for mean(part) / mean(whole) of paired `part` and `whole` `[n]`; nan where `part` is the same share of each.

    A resample whose `whole` is 0 has no ratio and is left out.
    """
    n, size = len(part), np.abs(part).max() * abs(whole.sum()) + np.abs(whole).max() * abs(part.sum())
    if n < 2 or np.abs(part * whole.sum() - whole * part.sum()).max() <= 1e-12 * size:
        return math.nan, math.nan
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)  # how often each pair is in a resample
    parts, wholes = drawn @ part, drawn @ whole
    low, high = np.quantile(parts[wholes != 0] / wholes[wholes != 0], [(1 - level) / 2, (1 + level) / 2])
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


def group_interval(
    statistic: Correlation, x: np.ndarray, y: np.ndarray, groups: np.ndarray, least: int, resamples: int, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of `statistic` over points `[n]` of independent `groups` `[n]`, drawn whole; nan below `least` of them.

    A resample whose points are equal has no correlation and is left out. Nan too where all others have the same.
    """
    names = np.unique(groups)
    if len(names) < least or np.isnan(statistic(x, y)):
        return math.nan, math.nan
    rng, members = np.random.default_rng(seed), [np.flatnonzero(groups == name) for name in names]
    resampled = []
    for chosen in rng.integers(len(names), size=(resamples, len(names))):
        points = np.concatenate([members[group] for group in chosen])
        resampled.append(statistic(x[points], y[points]))
    known = np.array(resampled)[~np.isnan(resampled)]
    if _alike(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def welch(groups: list[tuple[float, np.ndarray]], level: float = 0.95) -> tuple[float, float, float]:
    """A weighted sum of the means of independent samples, and its t interval: `(weight, values [n])` each.

    Variances need not be equal: the degrees of freedom are Welch and Satterthwaite's. With the weights 1 and -1 it is Welch's
    two-sample interval, with one sample Student's. The interval is nan where a sample has fewer than two values, or in each of
    them all are equal; without a value the sum is nan too.
    """
    estimate = sum(weight * np.mean(values) if len(values) else math.nan for weight, values in groups)
    if any(len(values) < 2 for _, values in groups) or all(_alike(values) for _, values in groups):
        return float(estimate), math.nan, math.nan
    parts = [weight**2 * np.var(values, ddof=1) / len(values) for weight, values in groups]
    spread = sum(part**2 / (len(values) - 1) for part, (_, values) in zip(parts, groups, strict=True))
    half = scipy.special.stdtrit(sum(parts) ** 2 / spread, (1 + level) / 2) * math.sqrt(sum(parts))
    return float(estimate), float(estimate - half), float(estimate + half)


def two_sample_p(a: np.ndarray, b: np.ndarray, seed: int = 0, draws: int = 100_000) -> float:
    """Two-sided p of the difference of the means of independent `a` `[n]` and `b` `[m]` when either split of all values is as likely as any.

    Exact where there are at most `draws` splits, sampled above. Nan where it could not reach 0.05 (below four and four values) or one is nan.
    """
    if 2 / math.comb(len(a) + len(b), len(a)) >= 0.05 or np.isnan(a).any() or np.isnan(b).any():
        return math.nan
    most = np.abs(a).sum() + np.abs(b).sum()  # as in `sign_flip_p`

    def size(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return most + np.abs(x.mean(axis=axis) - y.mean(axis=axis))

    return _permutation_p(size, (a, b), "independent", seed, draws)


def per_seed(rows: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    """`values` by run and SAE seed, columns (value, side), from rows with the columns run, seed, sample and side.

    Rows of one sample are summed (layers); samples are averaged inside a seed. A column `shared` (whether the runs share the base's
    SAEs, for `effect`) goes with them.
    """
    values = [*values, *({"shared"} & {*rows.columns})]
    keys = ["run", "seed", "side"]
    return rows.groupby([*keys, "sample"])[values].sum(min_count=1).groupby(keys).mean().unstack("side")


def replicates(rows: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    """`per_seed` by replicate: the SAE seed of one run or, where there are several, the run (a mean over its seeds)."""
    seeds = per_seed(rows, values)
    return seeds.groupby("run" if seeds.index.unique("run").size > 1 else "seed").mean()


def counted(rows: pd.DataFrame) -> dict:
    """What a replicate of `rows` is, and how many there are: columns of a table."""
    runs = rows["run"].nunique()
    return {"samples": rows["sample"].nunique(), "unit": unit(runs), "runs": runs, "sae_seeds": rows["seed"].nunique()}


def featureless(rows: pd.DataFrame) -> int:
    """In how many dictionaries (of a run and SAE seed) both sides have no feature to compare: `k` is 0 in all layers. A column of a table."""
    return int((rows.groupby(["run", "seed"])["k"].sum() == 0).sum())


def unit(runs: int) -> str:
    """What an interval over the replicates of so many runs speaks of."""
    return "tuning run" if runs > 1 else "SAE noise of one run"


def effect(seeds: pd.DataFrame, value: str) -> list[tuple[float, np.ndarray]]:
    """The difference RLHF - base of a `value` of `per_seed`, as independent samples for `welch`.

    Several runs: each run's mean over its RLHF SAE seeds less that over its base SAE seeds. Where the runs share the base's SAEs
    (`shared`, or every run has the same base values), the runs' RLHF means, less the base's SAE seeds, each a mean over runs: else no
    interval would hold their noise. One run: the RLHF SAE seeds, less the base SAE seeds; they are not paired, as their SAEs have
    nothing in common. A seed without a value (no feature is ranked) is left out; a run without any is nan, and so is then the difference.
    """
    base, rlhf = (seeds[value][side].unstack("run") for side in ("base", "rlhf"))  # seed x run
    if base.shape[1] == 1:
        return [(1.0, rlhf.iloc[:, 0].dropna().to_numpy()), (-1.0, base.iloc[:, 0].dropna().to_numpy())]
    alike = base.fillna(math.inf)  # a seed without a value has none in any run
    shared = "shared" in seeds and bool(seeds["shared"]["base"].any())
    if (shared or alike.eq(alike.iloc[:, 0], axis=0).to_numpy().all()) and base.notna().any(axis=None):
        return [(1.0, rlhf.mean().to_numpy()), (-1.0, base.mean(axis=1).dropna().to_numpy())]
    return [(1.0, (rlhf.mean() - base.mean()).to_numpy())]


def against(seeds: pd.DataFrame, value: str) -> dict[str, float]:
    """Base against RLHF of `per_seed`: both means, their difference, Welch's t interval (of one sample Student's) and an exact p.

    The p: of several runs with SAEs of their own (or a base that is the same in every seed: 0) a sign-flip test, from six runs on; of
    one run a two-sample permutation of SAE seeds.
    """
    groups, (base, rlhf) = effect(seeds, value), (seeds[value][side].groupby("run").mean().mean() for side in ("base", "rlhf"))
    difference, low, high = welch(groups)
    (_, first), *others = groups
    if seeds.index.unique("run").size == 1:
        p = two_sample_p(first, others[0][1])
    elif all(len(shared) > 1 and np.ptp(shared) == 0 for _, shared in others):
        p = sign_flip_p(first - sum(shared[0] for _, shared in others))
    else:
        p = math.nan
    return {"base": base, "rlhf": rlhf, "difference": difference, "ci_low": low, "ci_high": high, "p_value": p}


def net_of_random(seeds: pd.DataFrame, value: str, random: pd.DataFrame | None) -> dict[str, float]:
    """A `value` of `per_seed` for as many random rows with the activations' covariance, and the difference less theirs.

    `random`: the same of the random rows, a draw in place of a seed. `random_base, random_rlhf, net, net_ci_low, net_ci_high`. Of
    several runs a replicate is a run's difference less that of its random rows; of one run the draws are samples beside the SAE seeds.
    """
    if random is None or random.empty:
        return dict.fromkeys(("random_base", "random_rlhf", "net", "net_ci_low", "net_ci_high"), math.nan)
    draws, groups = random[value], effect(seeds, value)
    by_run = draws.groupby("run").mean().reindex(seeds.index.unique("run"))  # nan where no feature of a run is ranked
    if len(by_run) == 1:
        groups = [*groups, (-1.0, draws["rlhf"].to_numpy()), (1.0, draws["base"].to_numpy())]
    elif len(groups) == 1:
        groups = [(1.0, groups[0][1] - (by_run["rlhf"] - by_run["base"]).to_numpy())]
    else:  # the runs share the base, and so its random rows
        groups = [(1.0, groups[0][1] - by_run["rlhf"].to_numpy()), groups[1], (1.0, draws["base"].groupby("seed").mean().to_numpy())]
    net, low, high = welch(groups)
    return {"random_base": draws["base"].mean(), "random_rlhf": draws["rlhf"].mean(), "net": net, "net_ci_low": low, "net_ci_high": high}


def over_twins(seeds: pd.DataFrame, value: str, twins: list[pd.DataFrame]) -> dict[str, float]:
    """The twins' own difference, and by how much the true reward's exceeds it: `twin, over_twin, over_twin_ci_low, over_twin_ci_high`.

    `twins`: `per_seed` of each. Welch's interval over runs, two of either at least; a base that all share cancels.
    """
    if not twins:
        return dict.fromkeys(("twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high"), math.nan)
    true, placebo = of_runs(seeds, value), np.concatenate([of_runs(twin, value) for twin in twins])
    over, low, high = welch([(1.0, true), (-1.0, placebo)])
    return {"twin": float(placebo.mean()), "over_twin": over, "over_twin_ci_low": low, "over_twin_ci_high": high}


def of_runs(seeds: pd.DataFrame, value: str) -> np.ndarray:
    """Each run's difference RLHF - base, a mean over its SAE seeds."""
    means = seeds[value].groupby("run").mean()
    return (means["rlhf"] - means["base"]).to_numpy()
