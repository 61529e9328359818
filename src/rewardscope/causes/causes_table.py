"""The table of causes: over the runs of a reward, how much of its gain passes where, and how far chosen features lie above random ones."""

import numpy as np
import pandas as pd

from rewardscope.stats import t_interval

FEATURES, RANDOM = "features", "random features"  # of `place`

COLUMNS = [
    "model", "reward", "arm", "place", "pick", "layer", "size", "share", "ci_low", "ci_high", "unit", "runs", "of_runs", "by_run", "mean_reward",
    "kl", "perplexity", "rate", "random_sets", "random", "random_rate", "over_random", "over_random_ci_low", "over_random_ci_high", "beaten",
]  # fmt: skip


def rows(causes: pd.DataFrame, names: dict) -> list[dict]:
    """The rows of one model and reward, `names` first. `causes`: `PAIR/causes.parquet` of every run, with a column `run`.

    A replicate is a run: `share` is the mean over those that have one (`runs` of `of_runs`; `by_run` lists them), its interval Student's t. Of one
    run it is that run's own, over prompts. `random`: mean share of the random sets of that size, a mean over runs; `over_random`: a run's share less
    that of its random sets; `beaten`: the part of all random sets that have less. Layers are those of a pick in any run.
    """
    causes = causes.assign(where=causes["layer"].where(causes["pick"] == ""))
    shown, random = causes[causes["place"] != RANDOM], causes[causes["place"] == RANDOM]
    out = []
    for (arm, place, pick, _, size), group in shown.groupby(["arm", "place", "pick", "where", "size"], sort=False, dropna=False):
        group = group.set_index("run")
        beside = random[(random["arm"] == arm) & (random["pick"] == pick) & (random["size"] == size)]
        shares = group["share"].dropna()
        layers = " ".join(sorted(set(group["layer"]), key=lambda layer: (len(layer), layer)))
        out.append(
            {
                **names, "arm": arm, "place": place, "pick": pick, "layer": layers, "size": size or np.nan,
                **_mean(shares, "", group.loc[shares.index, ["ci_low", "ci_high"]]), "unit": "tuning run" if len(shares) > 1 else "prompt",
                "runs": len(shares), "of_runs": causes["run"].nunique(), "by_run": " ".join(f"{share:.3f}" for share in shares),
                **{name: group[name].mean() for name in ("mean_reward", "kl", "perplexity", "rate")},
                **_beside(shares, beside if place == FEATURES else beside[:0]),
            }
        )  # fmt: skip
    return out


def _beside(shares: pd.Series, random: pd.DataFrame) -> dict:
    """What the random sets of a size say; nothing where there are none."""
    by_run = random.groupby("run")["share"].mean()
    over = (shares - by_run).dropna()
    less = random["share"] < random["run"].map(shares) if len(random) else pd.Series(dtype=float)
    return {
        "random_sets": len(random), "random": by_run.mean(), "random_rate": random["rate"].mean(), **_mean(over, "over_random"),
        "beaten": less.mean(),
    }  # fmt: skip


def _mean(values: pd.Series, name: str, within: pd.DataFrame | None = None) -> dict:
    """Mean over runs and t interval; of one run the interval that it has of its `own`, if any."""
    low, high = within.iloc[0] if within is not None and len(within) == 1 else t_interval(values.to_numpy())
    prefix = f"{name}_" if name else ""
    return {name or "share": values.mean(), f"{prefix}ci_low": low, f"{prefix}ci_high": high}
