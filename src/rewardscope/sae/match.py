"""Features that both dictionaries agree on: mean max cosine similarity (Equation 2). NumPy only."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from safetensors.numpy import load_file
from scipy.optimize import linear_sum_assignment

from rewardscope.checksums import intact


def cosines(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """Cosine similarity of every row of `a` with every row of `b`; a zero row has cosine 0 with everything."""

    def unit(x):
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(norms > 0, norms, 1)

    return unit(a) @ unit(b).T


def match(
    small: Float[np.ndarray, "n d"],
    large: Float[np.ndarray, "m d"],
    small_ranked: Bool[np.ndarray, "n"],
    large_ranked: Bool[np.ndarray, "m"],
) -> pd.DataFrame:
    """A row per feature of the small dictionary, the best matched first.

    `place` (1 = best; missing where not ranked), `small`, `large` (its nearest in the large dictionary),
    `cosine`, and its one-to-one (Hungarian) `partner` with `partner_cosine`. Features that are not `ranked` (they
    hardly fire) are neither ranked nor offered as a match. Indices are those of the full dictionaries.
    """
    ours, theirs = np.flatnonzero(small_ranked), np.flatnonzero(large_ranked)
    table = pd.DataFrame({"small": np.arange(len(small), dtype=np.int32)})
    for column in ("place", "large", "partner"):
        table[column] = pd.array([None] * len(table), dtype="Int32")
    table["cosine"] = table["partner_cosine"] = np.nan
    if len(ours) and len(theirs):
        similarity = cosines(small[ours], large[theirs])
        best = similarity.argmax(axis=1)
        table.loc[ours, "large"] = theirs[best]
        table.loc[ours, "cosine"] = similarity[np.arange(len(ours)), best]
        rows, columns = linear_sum_assignment(similarity, maximize=True)
        table.loc[ours[rows], "partner"] = theirs[columns]
        table.loc[ours[rows], "partner_cosine"] = similarity[rows, columns]
        table = table.sort_values("cosine", ascending=False, kind="stable", na_position="last", ignore_index=True)
        table.loc[: len(ours) - 1, "place"] = np.arange(1, len(ours) + 1)
    return table[["place", "small", "large", "cosine", "partner", "partner_cosine"]]


def mmcs(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> float:
    """Equation 2: the mean over rows of `a` of the largest cosine with a row of `b`; nan for an empty side."""
    return float(cosines(a, b).max(axis=1).mean()) if len(a) and len(b) else float("nan")


def summary(
    table: pd.DataFrame,
    small: Float[np.ndarray, "n d"],
    large: Float[np.ndarray, "m d"],
    small_ranked: Bool[np.ndarray, "n"],
    large_ranked: Bool[np.ndarray, "m"],
    top_k: int,
) -> dict:
    """One line about a match: MMCS, of the top k alone, in the other direction, and one to one."""
    return {
        "ranked": int(small_ranked.sum()),
        "ranked_large": int(large_ranked.sum()),
        "mmcs": mmcs(small[small_ranked], large[large_ranked]),
        "mmcs_top_k": float(table["cosine"].iloc[:top_k].mean()),
        "mmcs_reverse": mmcs(large[large_ranked], small[small_ranked]),
        "mmcs_one_to_one": float(table["partner_cosine"].mean()),
    }


def consistency(dictionaries: list[Float[np.ndarray, "_ d"]], others: list[Float[np.ndarray, "_ d"]] | None = None) -> list[float]:
    """How well each dictionary's rows are found again in those of the other seeds: the mean cosine of a one-to-one assignment, averaged over them.

    Averaged over seeds it is PW-MCC (Song et al. 2025, "Mechanistic Interpretability Should Prioritize Feature Consistency in SAEs"). `others`: rows
    that may be assigned, where they are more than the dictionaries' own (of a selection, all). nan where there is one seed or an empty side.
    """
    others = dictionaries if others is None else others
    means = []
    for s, rows in enumerate(dictionaries):
        matches = [_one_to_one(rows, other) for t, other in enumerate(others) if t != s and len(rows) and len(other)]
        means.append(float(np.mean(matches)) if matches else float("nan"))
    return means


def _one_to_one(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> float:
    similarity = cosines(a, b)
    return float(similarity[linear_sum_assignment(similarity, maximize=True)].mean())


def load(folder: str | Path, min_fires: int) -> tuple[Float[np.ndarray, "F d"], Bool[np.ndarray, "F"]]:
    """Dictionary rows of a stored SAE, and which of its features are ranked."""
    tensors = load_file(intact(Path(folder) / "sae.safetensors"))
    return tensors.get("w_dec", tensors["w_enc"]), tensors["fires"] >= min_fires
