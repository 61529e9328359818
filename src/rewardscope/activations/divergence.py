"""Parameter divergence of the tuned model from its base (section 4.1)."""

import pandas as pd
import torch

from rewardscope.errors import UserError
from rewardscope.models import models


@torch.no_grad()
def divergence(base, rlhf) -> pd.DataFrame:
    """`layer, tensor, distance`: Euclidean distance of each weight and bias tensor of each block, in float64.

    A layer's divergence is the sum over its tensors. Raises UserError where the two models' blocks differ in
    number, names or shapes.
    """
    ours, theirs = models.blocks(base), models.blocks(rlhf)
    if len(ours) != len(theirs):
        raise UserError(f"the base model has {len(ours)} layers, the tuned one {len(theirs)}")
    rows = []
    for layer, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        before, after = dict(a.named_parameters()), dict(b.named_parameters())
        if before.keys() != after.keys():
            raise UserError(f"layer {layer}: tensors differ: {sorted(before.keys() ^ after.keys())}")
        for name, tensor in before.items():
            if tensor.shape != after[name].shape:
                raise UserError(f"layer {layer}, {name}: {tuple(tensor.shape)} in base, {tuple(after[name].shape)} tuned")
            rows.append((layer, name, torch.dist(tensor.double(), after[name].double()).item()))
    return pd.DataFrame(rows, columns=["layer", "tensor", "distance"])
