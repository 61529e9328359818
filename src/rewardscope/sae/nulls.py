"""What MMCS would be without features: the nulls beside every MMCS.

An isotropic null is far too low: activations have a few strong directions, and rows drawn with their covariance
already resemble each other.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Generator, Tensor

from rewardscope.activations.moments import gaussian
from rewardscope.sae import match, train

EMPTY = {"draw": 0, "mmcs": np.nan, "mmcs_top_k": np.nan, "cosines": []}  # no living feature in one dictionary


def row(kind: str, draw: int, small: Float[np.ndarray, "n d"], large: Float[np.ndarray, "m d"], top_k: int) -> dict:
    """`kind, draw, mmcs, mmcs_top_k, cosines` of one pair of dictionaries, every row of them ranked."""
    best = np.sort(match.cosines(small, large).max(axis=1))[::-1]
    return {
        "kind": kind,
        "draw": draw,
        "mmcs": float(best.mean()),
        "mmcs_top_k": float(best[:top_k].mean()),
        "cosines": best[:top_k].astype(np.float64),
    }


def random_rows(moments: dict[str, Tensor], sizes: tuple[int, int], draws: int, top_k: int, seed: int) -> pd.DataFrame:
    """Pairs of dictionaries whose rows are drawn with the activations' covariance; `sizes`: small, large."""
    if 0 in sizes:
        return pd.DataFrame([{"kind": "covariance", **EMPTY}])
    centred = {**moments, "mean": moments["mean"] * 0}
    rows = []
    for draw in range(draws):
        rng = Generator().manual_seed(seed + draw)
        small, large = (np.concatenate([x.numpy() for x in gaussian(centred, size, rng)]) for size in sizes)
        rows.append(row("covariance", draw, small, large, top_k))
    return pd.DataFrame(rows)


def gaussian_pair(
    moments: dict[str, Tensor], widths: list[int], settings: dict, l1: float, batch: int, top_k: int, min_fires: int,
    held_tokens: int, seeds: list[int], data_seed: int, device, work: Path | None = None
) -> pd.DataFrame:  # fmt: skip
    """An SAE pair trained like ours, on Gaussian vectors of the activations' mean and covariance.

    As many vectors as there are fit tokens, the same every epoch; features are ranked by `held_tokens` further ones.
    A killed training goes on from the folder `work`, where there is one.
    """
    tokens, d = int(moments["tokens"]), len(moments["mean"])

    def source(purpose: int, count: int):
        return (x.to(device) for x in gaussian(moments, count, Generator().manual_seed(data_seed + purpose)))

    dictionaries = []
    for width, seed in zip(widths, seeds, strict=True):
        model, _ = train.train(lambda _epoch: source(0, tokens), d, width, settings, l1, batch, [seed], device, work and work / f"width{width}")
        _, fires = train.evaluate(model, lambda: source(1, held_tokens))
        dictionaries.append(model.w_dec[0].cpu().numpy()[fires[0].numpy() >= min_fires])
    small, large = dictionaries
    if not len(small) or not len(large):
        return pd.DataFrame([{"kind": "gaussian", **EMPTY}])
    return pd.DataFrame([row("gaussian", 0, small, large, top_k)])
