"""What the trainings of a sweep gave, averaged over layers and seeds: for Figure 4, Tables 6 and 7."""

import pandas as pd

from rewardscope.errors import UserError
from rewardscope.stats import t_interval

PLACE = ["model", "reward", "run", "side", "width"]  # what is averaged over layers and seeds
METRICS = ["l0", "mse", "fvu", "dead"]


def gather(places: list[tuple[str, str, int]], files: list[str], layers: dict[str, dict[str, int]], side: str) -> pd.DataFrame:
    """The rows of every file with where they are from: `model, reward, run, side, pick, layer, width`.

    `places` are (pair, pick, width) of `files`; `layers` are every pair's picks (`picks.read`). Raises UserError where there are none.
    """
    if not places:
        raise UserError("no pair has a model that `sweeps` names")
    frames = []
    for (pair, pick, width), file in zip(places, files, strict=True):
        _, model, reward, run = pair.split("/")
        place = {"model": model, "reward": reward, "run": run, "side": side, "pick": pick, "layer": layers[pair][pick], "width": width}
        frames.append(pd.read_parquet(file).assign(**place))
    return pd.concat(frames, ignore_index=True)


def seed_means(rows: pd.DataFrame) -> pd.DataFrame:
    """`METRICS` of every seed, averaged over the layers that `rows` hold."""
    return rows.groupby("seed")[METRICS].mean()


def estimates(seeds: pd.DataFrame) -> dict[str, float]:
    """Mean and 95 % t interval over seeds of every column, and `l0_over_100`, the paper's scale of true sparsity."""
    estimate = {}
    for name, values in seeds.items():
        estimate[name] = values.mean()
        estimate[f"{name}_ci_low"], estimate[f"{name}_ci_high"] = t_interval(values.to_numpy())
        if name == "l0":
            estimate["l0_over_100"] = values.mean() / 100
    return estimate


def layers_of(rows: pd.DataFrame) -> str:
    """The layers that rows are from, as tables show them."""
    return " ".join(map(str, sorted(rows["layer"].unique())))
