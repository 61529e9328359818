"""One dictionary for both sides of a pair: on the rows of both, or on what tuning added to each row.

Both sides read the same tokens in the same order (`activations.batches`), so their buffers go together row by row.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from rewardscope.sae.train import Source


def shared(base: Source, tuned: Source) -> Source:
    """The rows of both sides, in one buffer."""

    def source(epoch: int) -> Iterator[Float[Tensor, "n d"]]:
        return (torch.cat(pair) for pair in zip(base(epoch), tuned(epoch), strict=True))

    return source


def difference(base: Source, tuned: Source, scale: float) -> Source:
    """The tuned side's rows less the base's, times `scale`."""

    def source(epoch: int) -> Iterator[Float[Tensor, "n d"]]:
        return ((after - before).mul_(scale) for before, after in zip(base(epoch), tuned(epoch), strict=True))

    return source


def scale(base: Source, tuned: Source) -> float:
    """What gives the differences the mean square of the tuned rows, so that one L1 coefficient weighs alike in both; 1 where they are 0."""
    sizes = [(after.square().sum().item(), (after - before).square().sum().item()) for before, after in zip(base(0), tuned(0), strict=True)]
    within, between = (sum(of) for of in zip(*sizes, strict=True))
    return (within / between) ** 0.5 if between else 1.0
