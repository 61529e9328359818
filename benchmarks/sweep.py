"""Choose the L1 coefficient and length of SAE training, on the base side only.

    python benchmarks/sweep.py results/pairs/tiny/utility/run1/base top1 --widths 128 256

Prints a row per setting: FVU, L0 and dead share on held tokens, MMCS and its top 30 beside both nulls. Never looks at
explanations, completions or the tuned model: Tables 3 and 4 must not choose their own hyperparameters.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from rewardscope.activations import shards
from rewardscope.sae import match, nulls, train
from rewardscope.seeds import derive

MIN_FIRES, TOP_K = 20, 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="the base side of a pair, its activations made")
    parser.add_argument("pick")
    parser.add_argument("--widths", type=int, nargs=2, required=True)
    parser.add_argument("--l1", type=float, nargs="+", default=[0.01, 0.02, 0.05, 0.1, 0.2])
    parser.add_argument("--epochs", type=int, nargs="+", default=[3])
    parser.add_argument("--batch-documents", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder = arguments.site / "activations" / arguments.pick
    moments = load_file(arguments.site / f"activations/{arguments.pick}.moments.safetensors")
    held = sum(shards.shape(file)[0] for file in shards.files(folder, "held"))
    d = len(moments["mean"])
    print("l1 epochs batch | fvu l0 dead (small) | fvu l0 dead (large) | mmcs top30 | null covariance top30 | null gaussian top30")
    for l1, epochs, documents in itertools.product(arguments.l1, arguments.epochs, arguments.batch_documents):
        recipe = {
            "tied": True,
            "l1_on": "activations",
            "epochs": epochs,
            "learning_rate": arguments.learning_rate,
            "frozen_decoder": False,
            "precision": "float32",
        }
        batch = train.batch_tokens(documents, moments)
        trained = []
        for width in arguments.widths:
            seeds = [derive(7, "sweep", width, seed) for seed in range(arguments.seeds)]
            source = lambda epoch: shards.buffers(folder, "fit", torch.Generator().manual_seed(epoch))
            model, _ = train.train(source, d, width, recipe, l1, batch, seeds, "cpu")
            metrics, fires = train.evaluate(model, lambda: shards.buffers(folder, "held", None))
            trained.append((model.w_dec.numpy(), fires.numpy() >= MIN_FIRES, pd.DataFrame(metrics).mean()))
        (small, a, of_small), (large, b, of_large) = trained
        lines = [match.summary(match.match(small[s], large[s], a[s], b[s]), small[s], large[s], a[s], b[s], TOP_K) for s in range(arguments.seeds)]
        matched = pd.DataFrame(lines).mean()
        sizes = (max(1, int(a.sum(1).mean())), max(1, int(b.sum(1).mean())))
        covariance = nulls.random_rows(moments, sizes, 5, TOP_K, 3)["mmcs_top_k"].mean()
        gaussian = nulls.gaussian_pair(moments, arguments.widths, recipe, l1, batch, TOP_K, MIN_FIRES, held, [1, 2], 5, "cpu")["mmcs_top_k"].mean()
        print(
            f"{l1:g} {epochs} {documents} | {of_small.fvu:.3f} {of_small.l0:.1f} {of_small.dead:.2f} | {of_large.fvu:.3f} {of_large.l0:.1f} "
            f"{of_large.dead:.2f} | {matched.mmcs:.3f} {matched.mmcs_top_k:.3f} | {covariance:.3f} | {np.round(gaussian, 3)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
