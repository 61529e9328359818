"""Step 4: what RLHF changed. Each feature's nearest feature on the other side, against what chance would give."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rewardscope.sae.match import cosines
from rewardscope.sae.model import SAE


def nearest(
    rows: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"], other_ranked: Bool[np.ndarray, "m"]
) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """For each of `rows`, the index of its nearest ranked row of `other` and their cosine; -1 and nan where none is ranked."""
    candidates = np.flatnonzero(other_ranked)
    if not len(candidates):
        return np.full(len(rows), -1), np.full(len(rows), np.nan)
    similarity = cosines(rows, other[candidates])
    best = similarity.argmax(axis=1)
    return candidates[best], similarity[np.arange(len(rows)), best]


@torch.no_grad()
def activity(models: list[SAE], buffers: Callable[[], Iterator[Tensor]]) -> tuple[Float[np.ndarray, "models F"], Float[np.ndarray, "models F"]]:
    """Mean activation and firing rate of every feature on one model's activations."""
    sums = [torch.zeros(m.w_enc.shape[1], dtype=torch.float64) for m in models]
    fires = [torch.zeros(m.w_enc.shape[1], dtype=torch.float64) for m in models]
    tokens = 0
    for buffer in buffers():
        for x in buffer.split(8192):
            tokens += len(x)
            for i, model in enumerate(models):
                f = model.encode(x[None])[0]
                sums[i] += f.sum(dim=0, dtype=torch.float64).cpu()
                fires[i] += (f > 0).sum(dim=0).cpu()
    return torch.stack(sums).numpy() / tokens, torch.stack(fires).numpy() / tokens


def compare(
    side: str,
    table: pd.DataFrame,
    dictionary: tuple[Float[np.ndarray, "F d"], Bool[np.ndarray, "F"]],
    other: tuple[Float[np.ndarray, "G d"], Bool[np.ndarray, "G"]],
    null: tuple[Float[np.ndarray, "H d"], Bool[np.ndarray, "H"]] | None,
    random: Float[np.ndarray, "ranked d"],
    means: dict[str, Float[np.ndarray, "F"]],
    rates: dict[str, Float[np.ndarray, "F"]],
) -> pd.DataFrame:
    """A row per ranked feature of one side, seed and place.

    `table` is the side's matched features; `dictionary`, `other`, `null` are (dictionary rows, which of them are ranked) of this
    SAE, of the same seed on the other side, and of another seed on the same side (the null: what an equal model
    gives; None where there is one seed). `random`: as many rows with the covariance of this side's activations as
    features are ranked; `random_cosine` is theirs with `other`, what no feature at all would have. `means` and `rates` map
    base and rlhf to this feature on either model's activations.
    """
    ranked = table[table["place"].notna()]
    rows = ranked["small"].to_numpy()
    index, cosine = nearest(dictionary[0][rows], *other)
    null_index, null_cosine = nearest(dictionary[0][rows], *(null or (dictionary[0], np.zeros(len(dictionary[0]), dtype=bool))))
    return pd.DataFrame(
        {
            "side": side,
            "feature": rows,
            "place": ranked["place"].astype(int).to_numpy(),
            "nearest": index,
            "cosine": cosine,
            "null_nearest": null_index,
            "null_cosine": null_cosine,
            "random_cosine": nearest(random, *other)[1],
            **{f"mean_on_{m}": means[m][rows] for m in ("base", "rlhf")},
            **{f"rate_on_{m}": rates[m][rows] for m in ("base", "rlhf")},
        }
    )
