"""Which layers are looked into: picks are named before the run, their layers are known after RLHF."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rewardscope.errors import UserError
from rewardscope.files import read_json

OUTSIDE = -1  # in place of a layer: embeddings, final norm, head


def layer_sums(table: pd.DataFrame) -> pd.Series:
    """Divergence of each layer, by its number, the sum over its tensors (section 4.1): what lies outside of the blocks is of none."""
    return table[table["layer"] != OUTSIDE].groupby("layer")["distance"].sum()


def pick(table: pd.DataFrame, names: Sequence[str]) -> dict[str, int]:
    """Pick names to layers: `top2` the second most divergent, `low1` the nearest the input, `layer3` itself.

    `table`: the divergence of one run, or of several, which count alike.

    Ties go to the lower layer. Raises UserError where a name, or all of them together, ask for more layers than there are; one layer
    may be both a top and a low pick.
    """
    sums = layer_sums(table).sort_values(ascending=False, kind="stable")
    orders = {"top": sums.index.tolist(), "low": sorted(sums.index)}
    if sum(not name.startswith("layer") for name in names) > len(sums):
        raise UserError(f"picks {', '.join(names)} are more than the {len(sums)} layers of the model; lower picks.top or picks.low")
    chosen = {}
    for name in names:
        kind = name.rstrip("0123456789")
        number = int(name[len(kind) :])
        layer = number if kind == "layer" else None
        if kind in orders and number <= len(sums):
            layer = orders[kind][number - 1]
        if layer not in sums.index:
            raise UserError(f"pick {name}: the model has {len(sums)} layers")
        chosen[name] = int(layer)
    return chosen


def pinned(names: Sequence[str]) -> dict[str, int]:
    """Layers of picks that the config pins: `layer3` is layer 3."""
    return {name: int(name.removeprefix("layer")) for name in names}


def read(pairs: Sequence[str], files: Sequence[str | Path]) -> dict[str, dict[str, int]]:
    """Every pair's picks and their layers, from its `layers.json`."""
    return {pair: read_json(file) for pair, file in zip(pairs, files, strict=True)}
