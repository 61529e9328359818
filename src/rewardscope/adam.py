"""Adam (Kingma and Ba 2015) by torch's fused kernel, for parameters whose gradients are set by hand.

The numbers are those of `torch.optim.Adam`; making one of these imports torch's compiler, which takes every job a second.
"""
import torch
from torch import Tensor
from torch.optim.adam import adam

MOMENTS = ("exp_avg", "exp_avg_sq")


class Adam:
    """`param_groups` and `state` are as in `torch.optim.Adam`, so that `states` keeps and restores either."""

    def __init__(self, parameters: list[Tensor], learning_rate: float):
        self.learning_rate = learning_rate
        self.param_groups = [{"params": parameters}]
        self.state = {p: {"step": torch.zeros((), device=p.device), **{key: torch.zeros_like(p) for key in MOMENTS}} for p in parameters}

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter by its `.grad`."""
        parameters = self.param_groups[0]["params"]
        states = [self.state[p] for p in parameters]
        means, squares = ([state[key] for state in states] for key in MOMENTS)
        adam(
            parameters, [p.grad for p in parameters], means, squares, [], [state["step"] for state in states],
            fused=True, capturable=parameters[0].is_cuda, amsgrad=False, maximize=False,
            lr=self.learning_rate, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0,
        )  # fmt: skip
