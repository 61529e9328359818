"""Feature activations of a batch (codes), and the products of a training step that use them.

`Dense` holds all S x B x F of them, `Sparse` those above zero; both give the same numbers but for the order of sums.
Where a few in a hundred are active, four of a step's five products shrink to that share; the encoder's stays whole.
"""

import warnings

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import embedding_bag

SPARSE = 1 / 8  # share of active features below which `Sparse` is the faster one on a CPU (docs/performance.md)

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


def pre_activations(x: Float[Tensor, "S B d"], w_enc: Float[Tensor, "S F d"], b_enc: Float[Tensor, "S F"]) -> Float[Tensor, "S B F"]:
    """x W_enc^T + b_enc: what the encoder gives before its ReLU."""
    return torch.baddbmm(b_enc[:, None, :], x, w_enc.mT)


def hold(f: Float[Tensor, "S B F"], x: Float[Tensor, "S B d"], w_enc: Float[Tensor, "S F d"], b_enc: Float[Tensor, "S F"]) -> "Codes":
    """Feature activations `f` of `x`, held in the way that the next products are fastest in.

    Where `f` is of lower precision than x, `Sparse` takes from it only which features may be active: their values are
    computed in x's own.
    """
    active = f > 0
    if x.is_cuda or np.count_nonzero(active.numpy()) > SPARSE * f.numel():  # a GPU is faster at dense products
        return Dense(f, active, x.dtype)
    return Sparse(f, active, x, w_enc, b_enc)


class Dense:
    """Codes `[S, B, F]`. Results are of `dtype`, whatever the codes are held in."""

    def __init__(self, values: Float[Tensor, "S B F"], active: Bool[Tensor, "S B F"], dtype: torch.dtype):
        self.values, self.active, self.dtype = values, active, dtype

    def decode(self, w_dec: Float[Tensor, "S F d"]) -> Float[Tensor, "S B d"]:
        """f W_dec."""
        return torch.bmm(self.values, w_dec.to(self.values.dtype)).to(self.dtype)

    def gradient(self, d_out: Float[Tensor, "S B d"], w_dec: Float[Tensor, "S F d"], l1: float) -> Float[Tensor, "S B F"]:
        """Of the loss by the pre-activations: d_out W_dec^T + l1 where a feature is active, else 0."""
        like = self.values.dtype
        return torch.bmm(d_out.to(like), w_dec.to(like).mT).add_(l1).mul_(self.active)

    def times(self, values: Float[Tensor, "S B F"], x: Float[Tensor, "S B d"]) -> Float[Tensor, "S F d"]:
        """values^T x, for codes or their gradient."""
        return torch.bmm(values.mT, x.to(values.dtype)).to(self.dtype)

    def by_feature(self, values: Float[Tensor, "S B F"]) -> Float[Tensor, "S F"]:
        """Codes or their gradient, summed over tokens."""
        return values.sum(dim=1, dtype=self.dtype)

    def l0(self) -> Int[Tensor, "S"]:
        """How many are active."""
        return self.active.sum(dim=(1, 2))

    def l1(self) -> Float[Tensor, "S"]:
        """Their sum."""
        return self.values.sum(dim=(1, 2), dtype=self.dtype)


class Sparse:
    """The N active codes in a list, by replicate and token; its methods are those of `Dense` on `[N]` values.

    `row` and `feature` `[N]` count through the replicates: s B + token, s F + feature. `by` is the order by features, `row_by`
    the tokens in that order; `rows` and `features` say where each begins.
    `embedding_bag` adds chosen rows with weights, which is the product of a sparse and a dense matrix. NumPy and SciPy
    make the list: three times as fast as torch's `nonzero` and `argsort`.
    """

    def __init__(
        self, f: Float[Tensor, "S B F"], active: Bool[Tensor, "S B F"],
        x: Float[Tensor, "S B d"], w_enc: Float[Tensor, "S F d"], b_enc: Float[Tensor, "S F"],
    ):  # fmt: skip
        self.shape = s, b, width = f.shape
        places = np.flatnonzero(active.numpy())
        row = places // width
        replicate = row // b
        feature = places + (replicate - row) * width
        rows = np.searchsorted(row, np.arange(s * b + 1))
        transposed = csr_array((np.arange(len(places)), feature, rows), shape=(s * b, s * width)).tocsc()
        tensors = map(torch.from_numpy, (row, replicate, feature, rows, transposed.data, transposed.indices, transposed.indptr))
        self.row, self.replicate, self.feature, self.rows, self.by, self.row_by, self.features = tensors
        if f.dtype == x.dtype:
            self.values = f.view(-1).index_select(0, torch.from_numpy(places))
        else:  # `pre_activations` at the list's places alone: the whole product in x's dtype is what the lower precision saves
            self.values = self._products(x, w_enc).add_(b_enc.view(-1).index_select(0, self.feature)).relu_()
        self.active = self.values > 0

    def _products(self, x: Float[Tensor, "S B d"], w: Float[Tensor, "S F d"]) -> Float[Tensor, "N"]:
        """x w^T at the list's places."""
        s, b, width = self.shape
        places = torch.sparse_csr_tensor(self.rows, self.feature, x.new_zeros(len(self.feature)), (s * b, s * width), check_invariants=False)
        return torch.sparse.sampled_addmm(places, x.flatten(0, 1), w.flatten(0, 1).mT).values()

    def decode(self, w_dec: Float[Tensor, "S F d"]) -> Float[Tensor, "S B d"]:
        s, b, _ = self.shape
        return _added(w_dec.flatten(0, 1), self.feature, self.values, self.rows).view(s, b, -1)

    def gradient(self, d_out: Float[Tensor, "S B d"], w_dec: Float[Tensor, "S F d"], l1: float) -> Float[Tensor, "N"]:
        return self._products(d_out, w_dec).add_(l1).mul_(self.active)

    def times(self, values: Float[Tensor, "N"], x: Float[Tensor, "S B d"]) -> Float[Tensor, "S F d"]:
        s, _, width = self.shape
        return _added(x.flatten(0, 1), self.row_by, values.index_select(0, self.by), self.features).view(s, width, -1)

    def by_feature(self, values: Float[Tensor, "N"]) -> Float[Tensor, "S F"]:
        s, _, width = self.shape
        return values.new_zeros(s * width).index_add_(0, self.feature, values).view(s, width)

    def l0(self) -> Int[Tensor, "S"]:
        return self.replicate.new_zeros(self.shape[0]).index_add_(0, self.replicate, self.active.long())

    def l1(self) -> Float[Tensor, "S"]:
        return self.values.new_zeros(self.shape[0]).index_add_(0, self.replicate, self.values)


def _added(rows: Float[Tensor, "m d"], chosen: Int[Tensor, "N"], weights: Float[Tensor, "N"], bounds: Int[Tensor, "n"]) -> Float[Tensor, "n-1 d"]:
    """Sums of chosen rows with weights, one between each two bounds."""
    return embedding_bag(chosen, rows, bounds, mode="sum", per_sample_weights=weights, include_last_offset=True)


Codes = Dense | Sparse
