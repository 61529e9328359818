"""The paper's Pythia-70m shape on this machine: extraction, SAEs and matching of one layer, extrapolated.

    python benchmarks/pythia70m.py --tokenizer gpt-neox/tokenizer.json --reviews test.parquet --documents 200

Random weights of Pythia-70m's shape (time does not depend on their values), its own tokenizer, real reviews, 256 tokens
a review, dictionaries of 512 and 1024, batches of 32 documents. Prints seconds, tokens a second, and what one layer of
one side takes for the 25,000 reviews of the test split.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from rewardscope.activations import batches, extract, moments, shards
from rewardscope.data import corpus
from rewardscope.sae import match, train

SETTINGS = {"at": "mlp", "tokens": 256, "dtype": "bfloat16", "batch_tokens": 8192, "shard_tokens": 65536}
RECIPE = {"tied": True, "l1_on": "activations", "epochs": 1, "learning_rate": 0.001, "frozen_decoder": False, "precision": "float32"}
SPLIT, EPOCHS = 25_000, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--reviews", required=True)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--layer", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=arguments.tokenizer, eos_token="<|endoftext|>", pad_token="<|padding|>")
    model = GPTNeoXForCausalLM(
        GPTNeoXConfig(vocab_size=50304, hidden_size=512, num_hidden_layers=6, num_attention_heads=8, intermediate_size=2048)
    ).eval()
    frame = pd.read_parquet(arguments.reviews, columns=["text"]).head(arguments.documents + 1)
    frame = corpus.finish({"train": frame[:1], "test": frame[1:]}, 0.3)["test"]
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        extract.extract(model, batches.plan(tokenizer, frame, SETTINGS, 1, "imdb"), {"top1": arguments.layer}, SETTINGS, Path(folder))
        sums = moments.total(sorted((Path(folder) / "top1/sums").iterdir()))
        times["extraction"] = time.perf_counter() - start
        rows = Path(folder) / "top1"
        tokens = sum(shards.shape(file)[0] for part in ("fit", "held") for file in shards.files(rows, part))
        batch, dictionaries = train.batch_tokens(32, sums), []
        for width in (512, 1024):
            start = time.perf_counter()
            source = lambda epoch: shards.buffers(rows, "fit", torch.Generator().manual_seed(epoch))  # noqa: E731
            trained, _ = train.train(source, 512, width, RECIPE, 0.001, batch, list(range(arguments.seeds)), "cpu")
            times[f"saes of width {width}, an epoch, {arguments.seeds} seeds"] = time.perf_counter() - start
            dictionaries.append(trained.w_dec.numpy())
        start = time.perf_counter()
        for small, large in zip(*dictionaries, strict=True):
            match.match(small, large, np.ones(512, dtype=bool), np.ones(1024, dtype=bool))
        times[f"matching, {arguments.seeds} seeds"] = time.perf_counter() - start
    fit = int(sums["tokens"])
    print(f"{len(frame)} reviews, {tokens} tokens ({fit} fit), layer {arguments.layer}, {arguments.threads} threads")
    for name, seconds in times.items():
        if name.startswith("matching"):
            print(f"{name}: {seconds:.1f} s")
            continue
        count, factor = (tokens, 1) if name == "extraction" else (fit, EPOCHS)
        hours = seconds * factor * SPLIT / len(frame) / 3600
        print(f"{name}: {seconds:.1f} s, {count / seconds:.0f} tokens/s; {SPLIT} reviews{f', {EPOCHS} epochs' * (factor > 1)}: {hours:.2f} h")


if __name__ == "__main__":
    main()
