"""A crosscoder: one dictionary with a decoder for either side of a pair (Lindsey et al. 2024, "Sparse Crosscoders").

It is an SAE of both sides' rows of a token side by side, x = [scale x_base, x_tuned] `[2 d]`, so that a feature reads both models, and its
decoder row is one for either: [d_base, d_tuned] of unit norm together. By BatchTopK (`sae.batchtopk`), as an L1 penalty makes features
of one side that are none (Minder et al. 2025, "Overcoming Sparsity Artifacts in Crosscoders"). What is kept is chosen by f; their code chooses
by f times the sum of the two norms, by which a shared feature counts up to sqrt(2) times as much as here. Which are the tuned side's alone
is read from the norms, and by latent scaling (after the same paper; the terms below are ours) from whether the base's activations hold the
feature all the same.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.sae.model import SAE
from rewardscope.sae.train import EVALUATED, Source

ALONE = 0.9  # relative norm from which a decoder is one side's: the other half has at most a ninth of its norm
ERROR, RECONSTRUCTION = 0.2, 0.5  # nu below which the base has nothing of it
LISTED = 20  # features of a crosscoder that are shown


def side_by_side(base: Source, tuned: Source, scale: float) -> Source:
    """The rows of both sides, of which the base's are times `scale`."""

    def source(epoch: int) -> Iterator[Float[Tensor, "n 2d"]]:
        return (torch.cat([scale * before, after], dim=1) for before, after in zip(base(epoch), tuned(epoch), strict=True))

    return source


def scale(base: Source, tuned: Source) -> float:
    """What gives the base's rows the mean square of the tuned ones, so that both count alike in the error."""
    sizes = [(before.square().sum().item(), after.square().sum().item()) for before, after in zip(base(0), tuned(0), strict=True)]
    before, after = (sum(of) for of in zip(*sizes, strict=True))
    return (after / before) ** 0.5


def tensors(sae: SAE, scale: float) -> dict[str, Tensor]:
    """Of a stack of one, for a safetensors file: `w_enc_{side}`, `w_dec_{side}` `[F, d]`, `b_dec_{side}` `[d]`, `b_enc`, `threshold`, `scale`."""
    d = sae.w_enc.shape[2] // 2
    of_sides = {f"{name}_{side}": tensor[0].split(d, dim=-1)[i] for name, tensor in (("w_enc", sae.w_enc), ("w_dec", sae.w_dec), ("b_dec", sae.b_dec))
                for i, side in enumerate(("base", "rlhf"))}  # fmt: skip
    whole = {"b_enc": sae.b_enc[0], "threshold": sae.threshold[0], "scale": torch.tensor(scale)}
    return {name: tensor.contiguous().cpu() for name, tensor in (of_sides | whole).items()}


def from_tensors(stored: dict[str, Tensor]) -> tuple[SAE, float]:
    """The SAE of rows side by side, a stack of one, and `scale`."""
    w_enc, w_dec, b_dec = (torch.cat([stored[f"{name}_{side}"] for side in ("base", "rlhf")], dim=-1)[None] for name in ("w_enc", "w_dec", "b_dec"))
    return SAE(w_enc, stored["b_enc"][None], w_dec, b_dec, stored["threshold"][None]), stored["scale"].item()


@torch.no_grad()
def latents(sae: SAE, rows: Callable[[], Iterator[Float[Tensor, "n 2d"]]], min_fires: int) -> pd.DataFrame:
    """A row per feature of a stack of one, on held rows side by side: the tuned side's own first, those that hardly fire last.

    `relative_norm`: |d_tuned| / (|d_base| + |d_tuned|). `nu_error`, `nu_reconstruction`: latent scaling, the share of a feature's
    part in the tuned side that the base side has as well. That part is beta = sum f (y . d_tuned) / (sum f^2 |d_tuned|^2), by least squares,
    where y is of either side: what the other features leave of it (error), or what all of them give (reconstruction, without b_dec); nu is
    the base's beta over the tuned side's: 1 of a shared feature, 0 of the tuned side's own. Norms and nu are of rows side by side, so of the base's
    times `scale`: a feature that the base holds at its own size has a nu of `scale`, not of 1. `alone`: `rlhf` or `base` where the norm, and for the
    tuned side both nu, say so; `both` else; missing where a feature fires on fewer than `min_fires` rows.
    """
    width, d = sae.w_enc.shape[1], sae.w_enc.shape[2] // 2
    before, after = sae.w_dec[0].split(d, dim=1)
    fires, squares = torch.zeros(width, dtype=torch.long), torch.zeros(width, dtype=torch.float64)
    along = {name: torch.zeros(width, dtype=torch.float64) for name in ("error base", "error rlhf", "reconstruction base", "reconstruction rlhf")}
    for buffer in rows():
        for x in buffer.split(EVALUATED):
            f = sae.encode(x[None])[0]
            given = f @ sae.w_dec[0]
            left = x - given - sae.b_dec[0]
            fires += (f > 0).sum(dim=0).cpu()
            squares += f.square().sum(dim=0, dtype=torch.float64).cpu()
            for side, half in (("base", slice(0, d)), ("rlhf", slice(d, None))):
                along[f"error {side}"] += (f * (left[:, half] @ after.T)).sum(dim=0, dtype=torch.float64).cpu()
                along[f"reconstruction {side}"] += (f * (given[:, half] @ after.T)).sum(dim=0, dtype=torch.float64).cpu()
    for side, rows_of in (("base", before), ("rlhf", after)):  # the error that the other features leave holds this one's part
        along[f"error {side}"] += squares * (rows_of * after).sum(dim=1).double().cpu()
    size_before, size_after = before.norm(dim=1).cpu(), after.norm(dim=1).cpu()
    table = pd.DataFrame(
        {
            "feature": range(width),
            "fires": fires.numpy(),
            "norm_base": size_before.numpy(),
            "norm_rlhf": size_after.numpy(),
            "relative_norm": (size_after / (size_before + size_after)).numpy(),
            **{f"nu_{of}": (along[f"{of} base"] / along[f"{of} rlhf"]).numpy() for of in ("error", "reconstruction")},
        }
    )
    tuned = (table["relative_norm"] >= ALONE) & (table["nu_error"].abs() < ERROR) & (table["nu_reconstruction"].abs() < RECONSTRUCTION)
    table["alone"] = "both"
    table.loc[tuned, "alone"] = "rlhf"
    table.loc[table["relative_norm"] <= 1 - ALONE, "alone"] = "base"
    table["alone"] = table["alone"].where(table["fires"] >= min_fires)
    order = table["relative_norm"].where(table["fires"] >= min_fires).sort_values(ascending=False, kind="stable", na_position="last").index
    return table.loc[order].reset_index(drop=True)


def tuned_only(table: pd.DataFrame) -> Int[np.ndarray, "n"]:
    """The features that `latents` calls the tuned side's alone, at most LISTED, the largest relative norm first."""
    return table.loc[table["alone"] == "rlhf", "feature"].head(LISTED).to_numpy()


def shown(table: pd.DataFrame) -> Int[np.ndarray, "n"]:
    """The LISTED features that are explained: `tuned_only`, then others that fire often enough, the largest relative norm first."""
    living = table[table["alone"].notna()]
    tuned = living["alone"] == "rlhf"
    return pd.concat([living[tuned], living[~tuned]])["feature"].head(LISTED).to_numpy()


def counts(table: pd.DataFrame, null: pd.DataFrame) -> dict[str, int]:
    """`features` that fire often enough, how many of them are one side's alone (`rlhf_alone`, `base_alone`); `null_*`: of base against base."""
    return {
        f"{prefix}{name}": int(of.sum())
        for prefix, rows in (("", table), ("null_", null))
        for name, of in (
            ("features", rows["alone"].notna()), ("rlhf_alone", rows["alone"] == "rlhf"), ("base_alone", rows["alone"] == "base")
        )
    }  # fmt: skip
