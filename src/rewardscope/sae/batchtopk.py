"""BatchTopK and Matryoshka: sparsity without a penalty.

Of a batch of B tokens the k B largest activations are kept (Bussmann, Leask and Nanda 2024, "BatchTopK Sparse Autoencoders"):

    loss = mean over the widths m of mse(x, f[:m] W_dec[:m] + b_dec) + auxiliary

With one width that is BatchTopK, with nested ones a Matryoshka SAE, whose first features must do alone (Bussmann et al. 2025, "Learning
Multi-Level Features with Matryoshka Sparse Autoencoders"; they add the widths' errors, here the learning rate keeps its meaning). The
auxiliary loss (AuxK) lets dead features reconstruct the error (Gao et al. 2024, "Scaling and evaluating sparse autoencoders", A.2, at a
weight of 1/32; here 1, and pre-activations without a ReLU, as in SAELens). A token read alone has no batch: there the threshold is the running
mean of the smallest activation kept. Both papers subtract b_dec from x before the encoder; ours does not (`sae.model`), and b_enc can give the same.
"""

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rewardscope.sae.codes import hold, pre_activations
from rewardscope.sae.model import SAE, backward

RATE = 0.01  # of the running mean of the smallest kept activation, a step


class BatchTopK:
    """What a training of S autoencoders keeps between steps.

    `settings` is a recipe: k, nested (shares of the width whose first features are a dictionary of their own), dead_steps (a feature
    is dead that so many batches left idle), frozen_decoder.
    """

    def __init__(self, sae: SAE, settings: dict):
        replicates, width, _ = sae.w_enc.shape
        self.sae, self.k, self.dead_steps, self.frozen = sae, settings["k"], settings["dead_steps"], settings["frozen_decoder"]
        self.bounds = sorted({0, width, *(max(1, round(share * width)) for share in settings["nested"])})
        self._smallest = torch.zeros(replicates, dtype=torch.float64)
        """weighted sum of the smallest kept activations"""
        self._weight = torch.zeros(replicates, dtype=torch.float64)
        """and of the weights: nearly 1 after a few hundred steps"""
        self._idle = torch.zeros(replicates, width, dtype=torch.int64, device=sae.w_enc.device)

    def state(self) -> dict[str, Tensor]:
        """What a killed training needs to go on: tensors that change in place."""
        return {"smallest": self._smallest, "weight": self._weight, "idle": self._idle}

    def threshold(self) -> Float[Tensor, "S F"]:
        """For reading: one for all features of an autoencoder."""
        mean = self._smallest / self._weight.clamp_min(1e-12)
        return mean.to(self.sae.b_enc)[:, None].expand_as(self.sae.b_enc).contiguous()

    def gradients_(self, x: Float[Tensor, "S B d"], precision: torch.dtype | None = None) -> dict[str, Float[Tensor, "S"]]:
        """Set `.grad` of every parameter to the loss's gradient and return its parts, one number a replicate."""
        sae, (tokens, d) = self.sae, x.shape[1:]
        levels = [sae.part(slice(*ends)) for ends in pairwise(self.bounds)]
        f = self._kept(sae.encode(x, precision))
        codes = [hold(f[..., a:b].contiguous(), x, level.w_enc, level.b_enc) for (a, b), level in zip(pairwise(self.bounds), levels, strict=True)]
        error, errors = sae.b_dec[:, None, :] - x, []
        for of_level, level in zip(codes, levels, strict=True):
            error = of_level.decode(level.w_dec).add_(error)
            errors.append(error)
        mse = [e.square().mean(dim=(1, 2)) for e in errors]
        scale = 2 / (len(levels) * tokens * d)
        d_out, gradients = torch.zeros_like(x), []
        for of_level, level, e in reversed(list(zip(codes, levels, errors, strict=True))):  # a feature is in its level's width and all larger ones
            d_out = d_out.add(e, alpha=scale)
            gradients.insert(0, backward(level, of_level, x, d_out, 0.0, self.frozen))
        grad_enc, grad_b, grad_dec = (torch.cat(of, dim=1) for of in zip(*gradients, strict=True))
        if sae.tied:
            grad_dec = grad_enc
        self._idle += 1
        self._idle[torch.cat([of_level.by_feature(of_level.active.to(x.dtype)) for of_level in codes], dim=1) > 0] = 0
        auxiliary = self._auxiliary_(x, error, grad_enc, grad_b, grad_dec)
        sae.w_enc.grad, sae.b_enc.grad, sae.w_dec.grad, sae.b_dec.grad = grad_enc, grad_b, grad_dec, d_out.sum(dim=1)
        l0, l1 = (sum(of) / tokens for of in ([c.l0() for c in codes], [c.l1() for c in codes]))
        return {"loss": sum(mse) / len(mse) + auxiliary, "mse": mse[-1], "l0": l0, "l1": l1}

    def _kept(self, f: Float[Tensor, "S B F"]) -> Float[Tensor, "S B F"]:
        """`f` with all but the k B largest of each replicate at 0; what equals the smallest of them stays, and goes into the running mean."""
        replicates, tokens, width = f.shape
        kept = min(round(self.k * tokens), tokens * width)
        for s, row in enumerate(f.view(replicates, -1)):
            cut = _smallest_of_largest(row, kept)
            if cut > 0:
                self._smallest[s].mul_(1 - RATE).add_(RATE * cut)
                self._weight[s].mul_(1 - RATE).add_(RATE)
            below = f.new_tensor(cut).nextafter(f.new_tensor(-1.0)).item()  # threshold_ keeps what is above, and the cut is kept
            torch.nn.functional.threshold_(row, below, 0.0)  # eight times as fast as row.mul_(row >= cut), and more
        return f

    def _auxiliary_(
        self, x: Float[Tensor, "S B d"], error: Float[Tensor, "S B d"],
        grad_enc: Float[Tensor, "S F d"], grad_b: Float[Tensor, "S F"], grad_dec: Float[Tensor, "S F d"],
    ) -> Float[Tensor, "S"]:  # fmt: skip
        """Add the gradient of the auxiliary loss and return it: how badly the d / 2 dead features with the largest pre-activations give the error.

        The error is taken as given, and fewer dead features weigh less.
        """
        sae, (replicates, tokens, d) = self.sae, x.shape
        losses = x.new_zeros(replicates)
        for s in range(replicates):
            dead = (self._idle[s] >= self.dead_steps).nonzero()[:, 0]
            if not len(dead):
                continue
            most = max(1, d // 2)
            pre = pre_activations(x[s : s + 1], sae.w_enc[s : s + 1, dead], sae.b_enc[s : s + 1, dead])[0]
            chosen = torch.ones_like(pre) if len(dead) <= most else torch.zeros_like(pre).scatter_(1, pre.topk(most, sorted=False).indices, 1)
            short = (pre * chosen) @ sae.w_dec[s, dead] + error[s]
            weight = min(len(dead) / most, 1.0)
            losses[s] = weight * short.square().mean()
            d_out = short.mul_(2 * weight / (tokens * d))
            d_pre = (d_out @ sae.w_dec[s, dead].T) * chosen
            grad_enc[s].index_add_(0, dead, d_pre.T @ x[s])
            grad_b[s].index_add_(0, dead, d_pre.sum(dim=0))
            if not self.frozen:
                grad_dec[s].index_add_(0, dead, (pre * chosen).T @ d_out)
        return losses


def _smallest_of_largest(values: Float[Tensor, "n"], count: int) -> float:
    """The smallest of the `count` largest values, or of all that are above 0 where these are fewer; 0 where none is."""
    positive = values.take((values > 0).nonzero()[:, 0]).float().cpu().numpy()  # only these leave a GPU; numpy's selection is the fastest
    if len(positive) <= count:
        return float(positive.min()) if len(positive) else 0.0
    return float(np.partition(positive, len(positive) - count)[len(positive) - count])
