"""What a difference RLHF - base is read against: random rows, and the twins of the reward. Columns that tables share."""

import numpy as np
import pandas as pd

from rewardscope.stats import effect, welch


def net_of_random(seeds: pd.DataFrame, value: str, random: pd.DataFrame | None) -> dict[str, float]:
    """A `value` of `stats.per_seed` for as many random rows with the activations' covariance, and the difference less theirs.

    `random`: the same of the random rows, a draw in place of a seed. `random_base, random_rlhf, net, net_ci_low, net_ci_high`. Of
    several runs a replicate is a run's difference less that of its random rows; of one run the draws are samples beside the SAE seeds.
    """
    if random is None or random.empty:
        return dict.fromkeys(("random_base", "random_rlhf", "net", "net_ci_low", "net_ci_high"), np.nan)
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

    `twins`: `stats.per_seed` of each. Welch's interval over runs, two of either at least; a base that all share cancels.
    """
    if not twins:
        return dict.fromkeys(("twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high"), np.nan)
    true, placebo = of_runs(seeds, value), np.concatenate([of_runs(twin, value) for twin in twins])
    over, low, high = welch([(1.0, true), (-1.0, placebo)])
    return {"twin": float(placebo.mean()), "over_twin": over, "over_twin_ci_low": low, "over_twin_ci_high": high}


def of_runs(seeds: pd.DataFrame, value: str) -> np.ndarray:
    """Each run's difference RLHF - base, a mean over its SAE seeds."""
    means = seeds[value].groupby("run").mean()
    return (means["rlhf"] - means["base"]).to_numpy()
