"""Peak memory of extraction and SAE training against the size of the corpus: it should not grow.

    python benchmarks/memory.py --tokens 1000000 4000000

Each stage runs in a process of its own on the embedded corpus with a randomly initialised model of the default's
shape; prints its peak resident memory.
"""
import argparse
import resource
import subprocess
import sys
import tempfile
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

    from rewardscope import base_model, corpus, grammar

    frame = pd.DataFrame({"text": [d["text"] for d in grammar.generate(tokens // 165, 11)]})
    tokenizer = base_model.train_tokenizer(frame["text"].tolist()[:2000], 2048)
    corpus.finish({"train": frame[:1], "test": frame[1:]}, 0.3)["test"].to_parquet(folder / "test.parquet")
    shape = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512, "max_position_embeddings": 256}
    base_model.save(GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=2048, **shape)), tokenizer, folder / "model")


def extraction(folder: Path) -> str:
    import pandas as pd

    from rewardscope import activations, models, moments

    model, tokenizer = models.load(folder / "model"), models.load_tokenizer(folder / "model")
    frame = pd.read_parquet(folder / "test.parquet", columns=["text", "part"])
    (folder / "activations").mkdir()
    sums = activations.extract(model, tokenizer, frame, {"top1": 3}, SETTINGS, 1, folder / "activations", "reviews")
    moments.save(sums["top1"], folder / "moments.safetensors")
    return f"{int(sums['top1']['tokens']) / 1e6:.2f} M fit tokens"


def training(folder: Path) -> str:
    import torch

    from rewardscope import saes, shards

    torch.set_num_threads(1)
    rows = folder / "activations/top1"
    source = lambda epoch: shards.buffers(rows, "fit", torch.Generator().manual_seed(epoch))  # noqa: E731
    model, log = saes.train(source, 128, 256, RECIPE, 0.03, 2000, [1, 2], "cpu")
    metrics, _ = saes.evaluate(model, lambda: shards.buffers(rows, "held", None))
    return f"{log[-1]['tokens'] / 1e6:.2f} M tokens trained, held fvu {metrics[0]['fvu']:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[1_000_000, 4_000_000])
    parser.add_argument("--stage", choices=["prepare", "extraction", "training"])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.stage == "prepare":
        prepare(arguments.folder, arguments.tokens[0])
    elif arguments.stage:
        did = {"extraction": extraction, "training": training}[arguments.stage](arguments.folder)
        print(f"{arguments.stage}: {did}, peak {peak()} MiB", flush=True)
    else:
        for tokens in arguments.tokens:
            print(f"corpus of {tokens / 1e6:g} M tokens", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                for stage in ("prepare", "extraction", "training"):
                    subprocess.run([sys.executable, __file__, "--stage", stage, "--folder", folder, "--tokens", str(tokens)], check=True)


if __name__ == "__main__":
    main()
