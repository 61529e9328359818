"""Muon (Jordan et al. 2024) in float32, on every device alike: torch's own multiplies in bfloat16, which most CPUs emulate."""

import torch
from torch import Tensor


class Muon(torch.optim.Muon):
    """torch's Muon but for the precision of its Newton-Schulz iteration, which is that of the gradient."""

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """Move every matrix by its orthogonalised momentum, scaled to the size of an AdamW step (`match_rms_adamw`)."""
        for group in self.param_groups:
            for p in group["params"]:
                if "momentum_buffer" not in self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p.grad)
                buffer = self.state[p]["momentum_buffer"]
                buffer.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonalised(p.grad.lerp(buffer, group["momentum"]), group["ns_coefficients"], group["ns_steps"], group["eps"])
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-0.2 * max(p.shape) ** 0.5 * group["lr"])


def orthogonalised(g: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """A matrix `[m, n]` with the singular vectors of `g` and singular values near 1: X <- a X + (b A + c A^2) X, A = X X^T."""
    a, b, c = coefficients
    x = g.T if g.shape[0] > g.shape[1] else g  # the smaller Gram matrix
    x = x / x.norm().clamp_min(eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if g.shape[0] > g.shape[1] else x
