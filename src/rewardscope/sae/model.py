"""The sparse autoencoder of the paper (section 2, after Sharkey et al. 2022), several seeds at once.

Every tensor has a leading axis of replicates: S seeds train in one batched product, each on its own batches.

    f(x) = ReLU(x W_enc^T + b_enc)          x_hat = f(x) W_dec + b_dec
    loss = mean over tokens and d_model of (x_hat - x)^2 + l1 * sparsity

With tied weights W_dec is W_enc (rows are features). Rows of the decoder have unit norm after every step. An SAE that was trained
to keep the k largest activations of a batch (`sae.batchtopk`) reads with a threshold in their place: f = 0 where f <= threshold.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.sae.codes import Codes, hold, pre_activations


@dataclass
class SAE:
    """S autoencoders of F features on activations of width d."""

    w_enc: Float[Tensor, "S F d"]
    b_enc: Float[Tensor, "S F"]
    w_dec: Float[Tensor, "S F d"]
    """The dictionary. The same tensor object as `w_enc` where weights are tied."""
    b_dec: Float[Tensor, "S d"]
    threshold: Float[Tensor, "S F"] | None = None
    """Activations up to it are none; None: all above 0 are."""

    @property
    def tied(self) -> bool:
        return self.w_dec is self.w_enc

    def encode(self, x: Float[Tensor, "S B d"], precision: torch.dtype | None = None) -> Float[Tensor, "S B F"]:
        """Feature activations; the product multiplies, and gives, numbers of `precision` (None: x's own)."""
        like = precision or x.dtype
        f = pre_activations(x.to(like), self.w_enc.to(like), self.b_enc.to(like)).relu_()
        return f if self.threshold is None else f.mul_(f > self.threshold[:, None, :])

    def codes(self, x: Float[Tensor, "S B d"], precision: torch.dtype | None = None) -> Codes:
        """The same, held in the way that the next products are fastest in."""
        return hold(self.encode(x, precision), x, self.w_enc, self.b_enc)

    def decode(self, f: Float[Tensor, "S B F"]) -> Float[Tensor, "S B d"]:
        """Reconstructions."""
        return torch.baddbmm(self.b_dec[:, None, :], f, self.w_dec)

    def parameters(self) -> list[Tensor]:
        """Distinct tensors, those that training moves."""
        return [self.w_enc, self.b_enc, self.b_dec] + ([] if self.tied else [self.w_dec])

    def to(self, device: str | torch.device) -> "SAE":
        """The same autoencoders on `device`, ties kept."""
        w_enc = self.w_enc.to(device)
        w_dec = w_enc if self.tied else self.w_dec.to(device)
        threshold = None if self.threshold is None else self.threshold.to(device)
        return SAE(w_enc, self.b_enc.to(device), w_dec, self.b_dec.to(device), threshold)

    def part(self, features: Int[np.ndarray, "n"] | slice) -> "SAE":
        """The same autoencoders with these features alone."""
        w_enc = self.w_enc[:, features]
        threshold = None if self.threshold is None else self.threshold[:, features]
        return SAE(w_enc, self.b_enc[:, features], w_enc if self.tied else self.w_dec[:, features], self.b_dec, threshold)

    def normalise_(self) -> None:
        """Project every dictionary row to unit norm."""
        self.w_dec /= self.w_dec.norm(dim=-1, keepdim=True).clamp_min(1e-12)

    def tensors(self, s: int) -> dict[str, Tensor]:
        """Tensors of replicate `s` for a safetensors file; a tied decoder is not stored twice."""
        kept = {"w_enc": self.w_enc, "b_enc": self.b_enc, "b_dec": self.b_dec}
        if not self.tied:
            kept["w_dec"] = self.w_dec
        if self.threshold is not None:
            kept["threshold"] = self.threshold
        return {name: tensor[s].contiguous().cpu() for name, tensor in kept.items()}


def from_tensors(tensors: dict[str, Tensor]) -> SAE:
    """One stored SAE (see `SAE.tensors`) as a stack of S = 1."""
    w_enc = tensors["w_enc"][None]
    w_dec = tensors["w_dec"][None] if "w_dec" in tensors else w_enc
    threshold = tensors["threshold"][None] if "threshold" in tensors else None
    return SAE(w_enc, tensors["b_enc"][None], w_dec, tensors["b_dec"][None], threshold)


def new(width: int, d: int, seeds: list[int], tied: bool) -> SAE:
    """Fresh autoencoders: rows uniform on the sphere, biases zero; `seeds` are purpose-derived, one a replicate."""
    drawn = [torch.randn(width, d, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    w_enc = torch.nn.functional.normalize(torch.stack(drawn), dim=-1)
    w_dec = w_enc if tied else w_enc.clone()
    return SAE(w_enc, torch.zeros(len(seeds), width), w_dec, torch.zeros(len(seeds), d))


def gradients_(
    sae: SAE, x: Float[Tensor, "S B d"], l1: float, l1_on: str = "activations", frozen_decoder: bool = False,
    precision: torch.dtype | None = None,
) -> dict[str, Float[Tensor, "S"]]:  # fmt: skip
    """Set `.grad` of every parameter to the loss's gradient and return its parts, one number a replicate.

    Written by hand: tied weights get the sum of the encoder's and the decoder's gradient in one buffer, and
    nothing but the codes is kept for the backward pass. `l1_on`: `activations` (the authors' code: mean over tokens of
    the sum over features) or `weights` (the paper's text: the sum of |W_dec|). `precision`: of the numbers that large
    products multiply, where it is not x's.
    """
    tokens, d = x.shape[1:]
    codes = sae.codes(x, precision)
    error = codes.decode(sae.w_dec).add_(sae.b_dec[:, None, :]).sub_(x)
    mse = error.square().mean(dim=(1, 2))
    l1_size = codes.l1() / tokens

    d_out = error.mul_(2 / (tokens * d))  # gradient of the loss by x_hat
    sae.w_enc.grad, sae.b_enc.grad, grad_dec = backward(sae, codes, x, d_out, l1 / tokens if l1_on == "activations" else 0.0, frozen_decoder)
    if l1_on == "weights" and not frozen_decoder:
        grad_dec += l1 * sae.w_dec.sign()
    sae.w_dec.grad = grad_dec
    sae.b_dec.grad = d_out.sum(dim=1)

    penalty = l1_size if l1_on == "activations" else sae.w_dec.abs().sum(dim=(1, 2))
    return {"loss": mse + l1 * penalty, "mse": mse, "l0": codes.l0() / tokens, "l1": l1_size}


def backward(
    sae: SAE, codes: Codes, x: Float[Tensor, "S B d"], d_out: Float[Tensor, "S B d"], l1: float, frozen_decoder: bool
) -> tuple[Float[Tensor, "S F d"], Float[Tensor, "S F"], Float[Tensor, "S F d"]]:
    """Gradients by w_enc, b_enc and w_dec from that by x_hat (`d_out`) and from `l1` on each active code; tied, the first is the last."""
    d_pre = codes.gradient(d_out, sae.w_dec, l1)
    grad_enc = codes.times(d_pre, x)
    if sae.tied:
        grad_enc += codes.times(codes.values, d_out)
        return grad_enc, codes.by_feature(d_pre), grad_enc
    grad_dec = torch.zeros_like(sae.w_dec) if frozen_decoder else codes.times(codes.values, d_out)
    return grad_enc, codes.by_feature(d_pre), grad_dec
