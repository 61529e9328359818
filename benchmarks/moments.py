"""Moments of a batch: products in float32 about the batch's mean (ours) against products in float64: `python benchmarks/moments.py`.

Alternating rounds in one run on Gaussian rows with a mean of 3 spreads: medians of milliseconds a batch, their ratio, and the covariance's
largest error against the float64 one, as a share of the product of two columns' deviations.
"""

import argparse
import statistics
import time

import torch

from rewardscope.activations.moments import Moments


class Wide(Moments):
    """Everything in float64."""

    def add(self, x: torch.Tensor, documents: int) -> None:
        x = x.double()
        self.documents += documents
        self.count += len(x)
        self.sum += x.sum(dim=0)
        self.products += x.T @ x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["2048x128", "2048x512", "8192x512", "8192x1024"], help="rows x d_model of a batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print("| rows x d_model | float64, ms | ours, ms | ratio | error |\n|---|---|---|---|---|")
    for size in arguments.sizes:
        rows, d = map(int, size.split("x"))
        both, seconds = [Wide(d, "cpu"), Moments(d, "cpu")], [[], []]
        for seed in range(arguments.rounds):
            x = torch.randn(rows, d, generator=torch.Generator().manual_seed(seed)) + 3
            for moments, taken in zip(both, seconds, strict=True):
                begun = time.perf_counter()
                moments.add(x, 1)
                taken.append(time.perf_counter() - begun)
        wide, ours = (statistics.median(taken) * 1000 for taken in seconds)
        exact, own = (moments.result()["covariance"].double() for moments in both)
        deviation = exact.diag().sqrt()
        error = ((own - exact) / torch.outer(deviation, deviation)).abs().max().item()
        print(f"| {size} | {wide:.1f} | {ours:.1f} | {wide / ours:.2f} | {error:.1e} |", flush=True)


if __name__ == "__main__":
    main()
