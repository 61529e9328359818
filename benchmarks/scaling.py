"""Time and peak memory of extraction and SAE training against the size of the corpus: a straight line, and a flat one.

    python benchmarks/scaling.py --tokens 100000 500000 1000000 2500000 5000000 --plot docs/figures/scaling

Each stage runs in a process of its own on the embedded corpus with a randomly initialised model of the default's
shape. Prints its seconds, without imports, its peak resident memory, and at the end how far each time is from a line through the
smallest and the largest; `--plot` draws both.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = {"at": "mlp", "tokens": 256, "dtype": "float32", "batch_tokens": 8192, "shard_tokens": 65536}
RECIPE = {"tied": True, "l1_on": "activations", "epochs": 1, "learning_rate": 0.004, "frozen_decoder": False, "precision": "float32"}


def peak() -> int:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def prepare(folder: Path, tokens: int) -> None:
    """Corpus and model, made in a process of their own."""
    import pandas as pd
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    from rewardscope.data import corpus, grammar
    from rewardscope.models import checkpoints, pretrain

    frame = pd.DataFrame({"text": [d["text"] for d in grammar.generate(tokens // 165, 11)]})
    tokenizer = pretrain.train_tokenizer(frame["text"].tolist()[:2000], 2048)
    corpus.finish({"train": frame[:1], "test": frame[1:]}, 0.3)["test"].to_parquet(folder / "test.parquet")
    shape = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512, "max_position_embeddings": 256}
    checkpoints.save(GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=2048, **shape)), tokenizer, folder / "model")


def extraction(folder: Path) -> tuple[int, float]:
    """Tokens and seconds."""
    import pandas as pd
    import pyarrow.parquet as pq

    from rewardscope.activations import batches, extract, moments
    from rewardscope.models import models

    model, tokenizer = models.load(folder / "model"), models.load_tokenizer(folder / "model")
    frame = pd.read_parquet(folder / "test.parquet", columns=["text", "part"])
    (folder / "activations").mkdir()
    begun = time.perf_counter()
    extract.extract(model, batches.plan(tokenizer, frame, SETTINGS, 1, "reviews"), {"top1": 3}, SETTINGS, folder / "activations")
    seconds = time.perf_counter() - begun
    moments.save(moments.total(sorted((folder / "activations/top1/sums").iterdir())), folder / "moments.safetensors")
    return pq.read_metadata(folder / "activations/tokens.parquet").num_rows, seconds


def training(folder: Path) -> tuple[int, float]:
    """Tokens and seconds: one epoch of two seeds."""
    import torch

    from rewardscope.activations import shards
    from rewardscope.sae import train

    torch.set_num_threads(1)
    rows = folder / "activations/top1"
    source = lambda epoch: shards.buffers(rows, "fit", torch.Generator().manual_seed(epoch))  # noqa: E731
    begun = time.perf_counter()
    _, log = train.train(source, 128, 256, RECIPE, 0.03, 2000, [1, 2], "cpu")
    return log[-1]["tokens"], time.perf_counter() - begun


STAGES = {"extraction": extraction, "training": training}


def plot(rows: list[dict], out: Path) -> None:
    """Seconds and memory of both stages against tokens."""
    from rewardscope.figures import plots

    with plots.house():
        figure, ((times, memories),) = plots.panels(1, 2, height=2.6)
        for i, stage in enumerate(STAGES):
            of = [row for row in rows if row["stage"] == stage]
            tokens = [row["tokens"] / 1e6 for row in of]
            times.plot(tokens, [row["seconds"] for row in of], label=stage, **plots.look(i))
            memories.plot(tokens, [row["peak_mib"] for row in of], **plots.look(i))
        for axes, title in ((times, "seconds"), (memories, "peak resident MiB")):
            axes.set_title(title)
            axes.set_xlabel("million tokens")
            axes.set_ylim(0)
        plots.legend(figure)
    plots.save(figure, out.with_suffix(".svg"), out.with_suffix(".png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[100_000, 500_000, 1_000_000, 2_500_000, 5_000_000])
    parser.add_argument("--plot", type=Path, help="where to, without its ending")
    parser.add_argument("--stage", choices=["prepare", *STAGES])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.stage == "prepare":
        prepare(arguments.folder, arguments.tokens[0])
    elif arguments.stage:
        tokens, seconds = STAGES[arguments.stage](arguments.folder)
        print(json.dumps({"stage": arguments.stage, "tokens": tokens, "seconds": seconds, "peak_mib": peak()}))
    else:
        rows = [row for tokens in arguments.tokens for row in measured(tokens)]
        for stage in STAGES:
            of = [row for row in rows if row["stage"] == stage]
            first, last = of[0], of[-1]
            slope = (last["seconds"] - first["seconds"]) / max(1, last["tokens"] - first["tokens"])
            for row in of:
                line = first["seconds"] + slope * (row["tokens"] - first["tokens"])
                row["off"] = row["seconds"] / line - 1
                print("{stage:10} {tokens:>9,} tokens {seconds:7.1f} s {peak_mib:5} MiB, off the line {off:+.1%}".format(**row))
        if arguments.plot:
            plot(rows, arguments.plot)


def measured(tokens: int) -> list[dict]:
    """What both stages took for a corpus of about so many tokens."""
    with tempfile.TemporaryDirectory() as folder:
        said = [
            subprocess.run(
                [sys.executable, __file__, "--stage", stage, "--folder", folder, "--tokens", str(tokens)], check=True, stdout=subprocess.PIPE
            )
            for stage in ("prepare", *STAGES)
        ]
    return [json.loads(run.stdout.splitlines()[-1]) for run in said[1:]]


if __name__ == "__main__":
    main()
