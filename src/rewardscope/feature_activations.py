"""Where the explained features fire: sparse, on every document, so that later stages need no shards."""
from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.sae import SAE


def selection(table: pd.DataFrame, top_k: int, seed: int) -> pd.DataFrame:
    """`feature, place, control`: the `top_k` best matched features and as many random ranked others as controls."""
    ranked = table[table["place"].notna()]
    chosen = ranked.iloc[:top_k]
    rest = ranked.iloc[top_k:]
    drawn = np.random.default_rng(seed).permutation(len(rest))[:top_k]
    both = pd.concat([chosen, rest.iloc[np.sort(drawn)]])
    return pd.DataFrame(
        {"feature": both["small"].to_numpy(), "place": both["place"].to_numpy(), "control": np.arange(len(both)) >= len(chosen)}
    )


@torch.no_grad()
def fire(
    models: list[SAE], chosen: list[Int[np.ndarray, "_"]], shards: Iterable[Float[Tensor, "_ d"]], tokens: pd.DataFrame
) -> list[pd.DataFrame]:
    """`feature, document, position, value` (> 0) of the features `chosen` of each SAE (S = 1) on all rows in order.

    The shards are read once for all of them. `tokens` is the token index; its rows are those of the shards, in order.
    """
    document, position = tokens["document"].to_numpy(), tokens["position"].to_numpy()
    parts: list[list[pd.DataFrame]] = [[] for _ in models]
    start = 0
    for x in shards:
        for firings, model, features in zip(parts, models, chosen, strict=True):
            w, b = model.w_enc[0, features], model.b_enc[0, features]
            f = torch.relu(x @ w.T + b)
            row, column = (t.cpu().numpy() for t in f.nonzero(as_tuple=True))
            firings.append(
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
    return [pd.concat(firings, ignore_index=True).sort_values(["feature", "document", "position"], ignore_index=True) for firings in parts]
