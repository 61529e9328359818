"""Windows: short pieces of held documents on which explanations are scored, and what a feature does on them.

No explanation was written from them: explanations read `fit` documents.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

FIRES = 0.1  # of its largest activation on fit documents, from which a feature counts as firing: 1 on the explainers' scale of 0 to 10


class Windows(NamedTuple):
    """W windows of T tokens, in the order of documents and positions."""

    document: Int[np.ndarray, "W"]
    """row of the corpus"""
    position: Int[np.ndarray, "W T"]
    """place in the document"""
    token: Int[np.ndarray, "W T"]
    """ids"""


class Chosen(NamedTuple):
    """Windows for one feature: their numbers, whether it fires there, whether they are hard negatives."""

    number: Int[np.ndarray, "n"]
    fires: Bool[np.ndarray, "n"]
    hard: Bool[np.ndarray, "n"]


def cut(index: pd.DataFrame, length: int) -> Windows:
    """Every held document of the token index in windows of `length` tokens, one after the other; a shorter rest is dropped."""
    held = index[index["part"] == "held"].sort_values(["document", "position"], ignore_index=True)
    place = held.groupby("document").cumcount()
    size = held.groupby("document")["position"].transform("size")
    held = held[place < size // length * length]
    document, position, token = (held[name].to_numpy().reshape(-1, length) for name in ("document", "position", "token"))
    return Windows(document[:, 0], position, token)


def activations(windows: Windows, fires: pd.DataFrame) -> Float[np.ndarray, "W T"]:
    """Of one feature: `fires` has a row per firing (document, position, value); firings outside of the windows are passed over."""
    width = 1 + max(windows.position.max(initial=0), fires["position"].max() if len(fires) else 0)
    cells = (windows.document[:, None].astype(np.int64) * width + windows.position).ravel()  # ascending
    fired = fires["document"].to_numpy(np.int64) * width + fires["position"].to_numpy()
    at = np.searchsorted(cells, fired)
    inside = cells[np.minimum(at, len(cells) - 1)] == fired if len(cells) else np.zeros(len(fired), bool)
    values = np.zeros(len(cells))
    values[at[inside]] = fires["value"].to_numpy()[inside]
    return values.reshape(windows.position.shape)


def for_simulation(values: Float[np.ndarray, "W T"], count: int, seed: int) -> Chosen:
    """The `count` windows with the largest activations, `count` random others that fire, `count` random ones of the rest.

    `values`: activations over the feature's largest on fit documents. Fewer where there are fewer.
    """
    rng, peak = np.random.default_rng(seed), values.max(axis=1)
    top = np.argsort(-peak, kind="stable")[:count]
    active = some(rng, np.setdiff1d(np.flatnonzero(peak >= FIRES), top), count)
    others = some(rng, np.setdiff1d(np.arange(len(peak)), [*top, *active]), count)
    number = np.concatenate([top, active, others])
    return Chosen(number, peak[number] >= FIRES, np.zeros(len(number), bool))


def for_detection(values: Float[np.ndarray, "W T"], windows: Windows, count: int, seed: int) -> Chosen:
    """`count` random windows in which the feature fires and as many in which it does not, half of these hard where there are such.

    A hard negative holds a token at which the feature peaks in one of the chosen windows, yet it fires nowhere in it.
    In random order, which tells a reader of them nothing. `values` as in `for_simulation`.
    """
    rng, peak = np.random.default_rng(seed), values.max(axis=1)
    firing, silent = np.flatnonzero(peak >= FIRES), np.flatnonzero(peak < FIRES)
    positive = some(rng, firing, count)
    peaks = np.unique(windows.token[positive, values[positive].argmax(axis=1)])
    alike = silent[np.isin(windows.token[silent], peaks).any(axis=1)]
    hard = some(rng, alike, count // 2)
    easy = some(rng, np.setdiff1d(silent, hard), count - len(hard))
    number = rng.permutation(np.concatenate([positive, hard, easy]))
    return Chosen(number, np.isin(number, positive), np.isin(number, hard))


def some(rng: np.random.Generator, among: Int[np.ndarray, "_"], count: int) -> Int[np.ndarray, "_"]:
    """`count` of the numbers `among`, fewer where there are fewer, in order."""
    return np.sort(rng.choice(among, min(count, len(among)), replace=False))
