"""Values of SAE seeds small enough to follow, as `stats.per_seed` gives them."""

import pandas as pd

from rewardscope.stats import per_seed


def of_seeds(base: dict[str, list[float]], rlhf: dict[str, list[float]]) -> pd.DataFrame:
    """Each run's values by seed, from 1 on, of a value `a`."""
    sides = {"base": base, "rlhf": rlhf}
    rows = [(run, seed, 1, side, a) for side, runs in sides.items() for run, values in runs.items() for seed, a in enumerate(values, start=1)]
    return per_seed(pd.DataFrame(rows, columns=["run", "seed", "sample", "side", "a"]), ["a"])
