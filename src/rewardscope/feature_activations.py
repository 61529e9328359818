"""Where the explained features fire: sparse, on every document, so that later stages need no shards."""
from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
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
def fire(models: list[SAE], chosen: list[np.ndarray], shards: Iterable[Tensor], tokens: pd.DataFrame) -> list[pd.DataFrame]:
    """`feature, document, position, value` (> 0) of the features `chosen` of each SAE (S = 1) on all rows in order.

    The shards are read once for all of them. `tokens` is the token index; its rows are those of the shards, in order.
    """
    document, position = tokens["document"].to_numpy(), tokens["position"].to_numpy()
    place = np.empty(len(tokens), dtype=np.int64)  # of every row, by document and position
    place[np.lexsort((position, document))] = np.arange(len(tokens))
    parts: list[list[tuple[np.ndarray, ...]]] = [[] for _ in models]
    start = 0
    for x in shards:
        for found, model, features in zip(parts, models, chosen, strict=True):
            w, b = model.w_enc[0, features], model.b_enc[0, features]
            f = torch.relu(x @ w.T + b)
            row, column = f.nonzero(as_tuple=True)
            value = f[row, column].cpu().numpy()
            found.append((features[column.cpu().numpy()], start + row.cpu().numpy(), value))
        start += len(x)
    if start != len(tokens):
        raise ValueError(f"{start} activation rows, {len(tokens)} in the token index")
    tables = []
    for found in parts:
        feature, row, value = map(np.concatenate, zip(*found, strict=True))
        order = np.argsort(feature.astype(np.int64) * len(tokens) + place[row])  # many times as fast as sorting a table by three columns
        row = row[order]
        columns = {"feature": feature[order].astype(np.int32), "document": document[row], "position": position[row], "value": value[order]}
        tables.append(pd.DataFrame(columns))
    return tables
