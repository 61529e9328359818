"""Short trainings with some of the recipe's keys changed (Appendix H)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from rewardscope.sae import train


def sweep(
    source: train.Source, held: Callable[[], Iterator[Tensor]], d: int, width: int, recipes: list[dict], batch: int, seeds: list[int],
    device: str | torch.device, work: Path | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Train every recipe on the same starts and batches; no autoencoder is kept.

    Returns a row per recipe and seed with the metrics of `held` tokens (`train.evaluate`), and the training losses, a row per
    recipe, seed and step, thinned as in `train.training_log`. A killed job goes on from the folder `work`, where there is one. Both
    begin with `tied, l1_on, l1_coefficient, seed` (from 1).
    """
    metrics, curves = [], []
    for i, recipe in enumerate(recipes):
        model, rows = train.train(source, d, width, recipe, recipe["l1"], batch, seeds, device, work and work / f"recipe{i:02d}")
        evaluated, _ = train.evaluate(model, held)
        for s, values in enumerate(evaluated):
            names = {"tied": recipe["tied"], "l1_on": recipe["l1_on"], "l1_coefficient": recipe["l1"], "seed": s + 1}
            metrics.append(names | values)
            log = train.training_log(rows, s)
            curves.append(pd.DataFrame(names, index=log.index).join(log))
    return pd.DataFrame(metrics), pd.concat(curves, ignore_index=True)
