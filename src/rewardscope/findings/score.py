"""How strongly what tuning changed in a context goes with the reward: the order of findings."""

import torch
from jaxtyping import Float
from torch import Tensor

CAP = 0.9  # quantile of a context's activations above zero at which they are capped: a few outliers would be all of its score
ALIKE = 0.5  # of the tokens that two findings say are more likely, from which they say the same
FIRINGS = 25  # a context that fires on fewer sampled tokens has no score


def capped(activations: Float[Tensor, "T C"]) -> Float[Tensor, "T C"]:
    """Activations, each context's capped at the 0.9 quantile of those above zero."""
    positive = activations.where(activations > 0, torch.nan)
    return activations.clamp_max(positive.nanquantile(CAP, dim=0, keepdim=True).nan_to_num(0.0))


def with_reward(a: Float[Tensor, "T C"], change: Float[Tensor, "T"], credit: Float[Tensor, "T"]) -> Float[Tensor, "C"]:
    """sum(a d c) / sqrt(sum (a d c)^2) over sampled tokens: a the context's capped activation, d the token's change of log-probability
    by tuning, c its credit, what it added to the reward in standard deviations.

    About normal where d and c have nothing to do with each other; nan below `FIRINGS`.
    """
    return _ratio(a, a * (change * credit).unsqueeze(1))


def without_reward(a: Float[Tensor, "T C"], kl: Float[Tensor, "T"]) -> Float[Tensor, "C"]:
    """The same of a (KL - its mean over all tokens): does tuning change more where the context fires than elsewhere?"""
    return _ratio(a, a * (kl - kl.mean()).unsqueeze(1))


def _ratio(a: Float[Tensor, "T C"], terms: Float[Tensor, "T C"]) -> Float[Tensor, "C"]:
    ratio = terms.sum(dim=0) / terms.square().sum(dim=0).sqrt()
    return ratio.where((a > 0).sum(dim=0) >= FIRINGS, torch.nan)


def same(one: set[str], other: set[str]) -> bool:
    """Whether two findings say the same: half of the tokens that the shorter list holds."""
    return len(one & other) >= ALIKE * max(1, min(len(one), len(other)))
