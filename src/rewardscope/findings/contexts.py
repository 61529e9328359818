"""Contexts: what may fire where a token was predicted. Features, and beside them what needs no dictionary."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.findings.samples import Samples
from rewardscope.sae.model import SAE


def features(sae: SAE, rows: Float[Tensor, "T d_model"]) -> Float[Tensor, "T F"]:
    """Activations of the features of one autoencoder (a stack of 1)."""
    return sae.encode(rows[None])[0]


def directions(rows: Float[Tensor, "T d_model"], chosen: Float[Tensor, "C d_model"], rates: Float[Tensor, "C"]) -> Float[Tensor, "T C"]:
    """Directions in place of features: by how much a row's projection exceeds the quantile above which the share `rates` of rows lies."""
    projected = rows @ chosen.T
    cuts = torch.stack([column.quantile(1 - rate) for column, rate in zip(projected.T, rates.clamp(0, 1), strict=True)])
    return (projected - cuts).relu_()


def difference(samples: Samples, rows: Float[Tensor, "T d_model"], tuned: Int[Tensor, "n"]) -> Float[Tensor, "1 d_model"]:
    """The mean of the rows of the tuned model's completions (`tuned`: 1 of these) less that of the base's."""
    written = tuned[samples.sequence].bool()
    return (rows[written].mean(dim=0) - rows[~written].mean(dim=0))[None]


def last_words(words: list[str]) -> tuple[list[str], Float[Tensor, "T C"]]:
    """The last whole word before each token, as contexts that fire on that word (1) or not (0): their words, sorted, and their activations."""
    return _one_hot(words)


def tokens(samples: Samples) -> tuple[list[int], Float[Tensor, "T C"]]:
    """The sampled token itself as a context."""
    return _one_hot(samples.token.tolist())


def _one_hot(values: list) -> tuple[list, Float[Tensor, "T C"]]:
    kinds = sorted(set(values))
    number = {kind: i for i, kind in enumerate(kinds)}
    chosen = torch.tensor([number[value] for value in values], dtype=torch.long)
    return kinds, torch.nn.functional.one_hot(chosen, len(kinds)).float()
