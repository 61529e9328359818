"""A pair of 7 B parameters on this machine: fetched, compared tensor by tensor, and one layer's activations of 200 short documents.

    python benchmarks/seven_billion.py --folder big --cores 2

Two checkpoints of Llama 2 7B's shape in bfloat16, a file each block, random weights (time does not depend on their values); the tuned one is the
base with noise. They take 27 GB of disk once: what the workflow saves are links. Prints seconds and memory of each job, from Snakemake's benchmark
files. `--layers 4` tries it in little.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import torch
import yaml
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from rewardscope.data import grammar
from rewardscope.files import whole
from rewardscope.models.pretrain import train_tokenizer

SIZES = {"hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32, "vocab_size": 32000, "max_position_embeddings": 4096}
DOCUMENTS, TOKENS, LAYER, NOISE = 200, 32, 2, 0.001
JOBS = {  # as the files below `benchmarks/` have them
    "base_model/big.tsv": "base model: checked, tried, linked",
    "tuned/pairs/big/tuned/run1.tsv": "tuned model: checked, linked, compared with the base's names and shapes",
    "divergence/pairs/big/tuned/run1.tsv": "divergence, tensor by tensor",
    "activations/bases/big.tsv": "activations of the base",
    "activations/pairs/big/tuned/run1/rlhf.tsv": "activations of the tuned model",
}


def checkpoint(folder: Path, layers: int, noise: float, texts: list[str]) -> None:
    """A model of so many blocks; two of them with the same seed differ by the noise alone."""
    config = LlamaConfig(**SIZES, num_hidden_layers=layers, dtype="bfloat16", tie_word_embeddings=False)
    with torch.device("meta"):
        tensors = {name: parameter.shape for name, parameter in LlamaForCausalLM(config).named_parameters()}
    groups: dict[str, list[str]] = {}
    for name in tensors:
        groups.setdefault(name.split(".")[2] if ".layers." in name else name, []).append(name)
    generator, places = torch.Generator().manual_seed(1), {}
    with whole(folder) as partial:
        partial.mkdir()
        for number, names in enumerate(groups.values(), start=1):
            file, weights = f"model-{number:05d}-of-{len(groups):05d}.safetensors", {}
            for name in names:
                drawn = torch.empty(tensors[name]).uniform_(-0.03, 0.03, generator=generator)
                drawn = 1 + drawn if "norm" in name else drawn
                weights[name] = (drawn + noise * drawn.roll(1, dims=-1)).bfloat16()
            save_file(weights, partial / file, metadata={"format": "pt"})
            places |= dict.fromkeys(names, file)
        size = 2 * sum(shape.numel() for shape in tensors.values())
        (partial / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": places}))
        config.save_pretrained(partial)
        train_tokenizer(texts, 2000).save_pretrained(partial)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    texts = [document["text"] for document in grammar.generate(2 * DOCUMENTS, 1)]
    for part, some in (("train", texts[:DOCUMENTS]), ("test", texts[DOCUMENTS:])):
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"text": some}).to_csv(folder / f"{part}.csv", index=False)
    for name, noise in (("base", 0.0), ("tuned", NOISE)):
        if not (folder / name).exists():
            checkpoint(folder / name, arguments.layers, noise, texts)
    config = {
        "results": "results",
        "pairs": [{"model": "big", "name": "tuned", "rlhf": str(folder / "tuned"), "corpus": "texts"}],
        "models": {"big": {"path": str(folder / "base"), "sae": {"widths": [4096, 8192], "l1": 0.001}}},
        "corpora": {"texts": {"path": {part: str(folder / f"{part}.csv") for part in ("train", "test")}}},
        "layers": [LAYER],
        "activations": {"tokens": TOKENS},
        "completions": {"prefix": 8, "new": 16},
        "findings": {"prefix": 8, "new": 16},
    }
    (folder / "big.yaml").write_text(yaml.safe_dump(config))
    targets = [
        "results/pairs/big/tuned/run1/divergence.csv",
        *(f"results/{site}/activations/tokens.parquet" for site in ("bases/big", "pairs/big/tuned/run1/rlhf")),
    ]
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", f"{root}/Snakefile", "--cores", str(arguments.cores)]
    subprocess.run([*command, "--configfile", "big.yaml"], cwd=folder, check=True)
    print("| job | seconds | memory of its own, GB | with mapped files, GB | read, GB | CPU seconds |\n|---|---|---|---|---|---|")
    for file, job in JOBS.items():
        row = pd.read_csv(folder / "results/benchmarks" / file, sep="\t").iloc[-1]
        figures = row["s"], row["max_uss"] * 1.048576e-3, row["max_rss"] * 1.048576e-3, row["io_in"] * 1.048576e-3, row["cpu_time"]
        print("|", " | ".join([job, *(f"{float(figure):.1f}" for figure in figures)]), "|")


if __name__ == "__main__":
    main()
