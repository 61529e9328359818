"""Short trainings with some of the recipe's keys changed (Appendix H), and their averages over layers and seeds."""
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from rewardscope import saes
from rewardscope.errors import UserError
from rewardscope.stats import t_interval

PLACE = ["model", "reward", "run", "side", "width"]  # what is averaged over layers and seeds
METRICS = ["l0", "mse", "fvu", "dead"]


def train(
    source: saes.Source, held: Callable[[], Iterator[Tensor]], d: int, width: int, recipes: list[dict], batch: int, seeds: list[int],
    device: str | torch.device, work: Path | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Train every recipe on the same starts and batches; no autoencoder is kept.

    Returns a row per recipe and seed with the metrics of `held` tokens (`saes.evaluate`), and the training losses, a row per
    recipe, seed and step, thinned as in `saes.training_log`. A killed job goes on from the folder `work`, where there is one. Both begin with `tied, l1_on, l1_coefficient, seed` (from 1).
    """
    metrics, curves = [], []
    for i, recipe in enumerate(recipes):
        model, rows = saes.train(source, d, width, recipe, recipe["l1"], batch, seeds, device, work and work / f"recipe{i:02d}")
        evaluated, _ = saes.evaluate(model, held)
        for s, values in enumerate(evaluated):
            names = {"tied": recipe["tied"], "l1_on": recipe["l1_on"], "l1_coefficient": recipe["l1"], "seed": s + 1}
            metrics.append(names | values)
            log = saes.training_log(rows, s)
            curves.append(pd.DataFrame(names, index=log.index).join(log))
    return pd.DataFrame(metrics), pd.concat(curves, ignore_index=True)


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
