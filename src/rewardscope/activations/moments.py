"""Mean and covariance of activations, and Gaussian vectors that share them: activations without features."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor


class Moments:
    """Mean and covariance of streamed rows: sums in float64, of which a batch's products are made in float32.

    What float32 multiplies are differences r = x - c from the batch's mean c, so that rows far from zero keep their digits:

        sum x x^T = sum r r^T + c s^T + (s - n c) c^T        with s = sum x, true of any c
    """

    def __init__(self, d: int, device):
        self.count = self.documents = 0
        self.sum = torch.zeros(d, dtype=torch.float64, device=device)
        self.products = torch.zeros(d, d, dtype=torch.float64, device=device)

    def add(self, x: Float[Tensor, "n d"], documents: int) -> None:
        """Rows of so many documents."""
        self.documents += documents
        self.count += len(x)
        s = x.sum(dim=0, dtype=torch.float64)
        c = (s / max(1, len(x))).float()
        r, c = x.float() - c, c.double()
        self.sum += s
        self.products += r.T @ r
        self.products.addr_(c, s).addr_(s - len(x) * c, c)

    def sums(self) -> dict[str, Tensor]:
        """What `total` adds up."""
        return {"tokens": torch.tensor(self.count), "documents": torch.tensor(self.documents), "sum": self.sum.cpu(), "products": self.products.cpu()}

    def result(self) -> dict[str, Tensor]:
        mean = self.sum / self.count
        covariance = self.products / self.count - torch.outer(mean, mean)
        counts = {"tokens": torch.tensor(self.count), "documents": torch.tensor(self.documents)}
        return {"mean": mean.float().cpu(), "covariance": covariance.float().cpu(), **counts}


def total(files: list[Path]) -> dict[str, Tensor]:
    """The moments of all rows whose `Moments.sums` lie in the files (at least one), added in the order that these have."""
    whole = Moments(len(load_file(files[0])["sum"]), "cpu")
    for file in files:
        sums = load_file(file)
        whole.count += int(sums["tokens"])
        whole.documents += int(sums["documents"])
        whole.sum += sums["sum"]
        whole.products += sums["products"]
    return whole.result()


def save(moments: dict[str, Tensor], file: str | Path) -> None:
    """Write the moments of one pick: mean `[d]`, covariance `[d, d]`, numbers of tokens and documents."""
    save_file(moments, file)


def gaussian(moments: dict[str, Tensor], tokens: int, rng: torch.Generator, chunk: int = 65536) -> Iterator[Float[Tensor, "_ d"]]:
    """`tokens` rows, in chunks, of a Gaussian with these moments."""
    values, vectors = torch.linalg.eigh(moments["covariance"].double())
    root = (vectors * values.clamp_min(0).sqrt()).float()  # covariance = root root^T
    for start in range(0, tokens, chunk):
        noise = torch.randn(min(chunk, tokens - start), len(root), generator=rng)
        yield noise @ root.T + moments["mean"]


def random_rows(moments: dict[str, Tensor], count: int, seed: int) -> Float[Tensor, "count d"]:
    """Directions without features: `count` rows of a Gaussian with the activations' covariance and no mean."""
    centred = {**moments, "mean": torch.zeros_like(moments["mean"])}
    return torch.cat([torch.empty(0, len(moments["mean"])), *gaussian(centred, count, torch.Generator().manual_seed(seed))])
