"""Where the explained features fire: sparse, on every document, so that later stages need no shards."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.sae.model import SAE


def selection(table: pd.DataFrame, top_k: int, seed: int) -> pd.DataFrame:
    """`feature, place, control`: the `top_k` best matched features and as many random ranked others as controls."""
    ranked = table[table["place"].notna()]
    chosen = ranked.iloc[:top_k]
    rest = ranked.iloc[top_k:]
    drawn = np.random.default_rng(seed).permutation(len(rest))[:top_k]
    both = pd.concat([chosen, rest.iloc[np.sort(drawn)]])
    return pd.DataFrame({"feature": both["small"].to_numpy(), "place": both["place"].to_numpy(), "control": np.arange(len(both)) >= len(chosen)})


@torch.no_grad()
def fire(models: list[SAE], chosen: list[Int[np.ndarray, "_"]], shards: Iterable[Float[Tensor, "_ d"]], tokens: pd.DataFrame) -> list[pd.DataFrame]:
    """`feature, document, position, value` (> 0) of the features `chosen` of each SAE (S = 1) on all rows in order.

    The shards are read once for all of them. `tokens` is the token index; its rows are those of the shards, in order.
    """
    document, position = tokens["document"].to_numpy(), tokens["position"].to_numpy()
    parts: list[list[pd.DataFrame]] = [[] for _ in models]
    explained = [model.part(features) for model, features in zip(models, chosen, strict=True)]
    start = 0
    for x in shards:
        for frames, model, features in zip(parts, explained, chosen, strict=True):
            f = model.encode(x[None])[0]  # [n, features]
            row, column = (t.cpu().numpy() for t in f.nonzero(as_tuple=True))
            frames.append(
                pd.DataFrame(
                    {
                        "feature": features[column].astype(np.int32),
                        "document": document[start + row],
                        "position": position[start + row],
                        "value": f[f > 0].cpu().numpy(),
                    }
                )
            )
        start += len(x)
    if start != len(tokens):
        raise ValueError(f"{start} activation rows, {len(tokens)} in the token index")
    return [pd.concat(frames, ignore_index=True).sort_values(["feature", "document", "position"], ignore_index=True) for frames in parts]
