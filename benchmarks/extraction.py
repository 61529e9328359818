"""Extraction of activations: this package against naive transformers code and, with --peers, SAELens and TransformerLens.

    python benchmarks/extraction.py --peers --reviews test.parquet --tokenizer gpt-neox/tokenizer.json

One run, alternating rounds: random weights of Pythia-70m's shape (time does not depend on their values), the MLP outputs
of five layers on the same documents cut to 256 tokens. Counted are tokens without padding, a second.

naive: the causal language model in fp32, batches of 32 documents in their order, padded, all hidden states returned, the
five MLP outputs kept by hooks. ours: `activations.extract` as the workflow calls it, shards, checksums and moments written
to disk. SAELens: the five hooks of its activations store, which packs documents into rows of 256 without padding (packed before the clock
starts). TransformerLens: `run_with_cache` of the five hooks on the same checkpoint, padded. Both stop after the last layer. Without --reviews the
documents are the embedded ones, with a tokenizer trained on them.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from sae_training import HERE, ceiling, environment
from safetensors.torch import load_file
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from rewardscope.activations import batches, extract, shards
from rewardscope.data import corpus, grammar
from rewardscope.models import checkpoints, models, pretrain
from rewardscope.numerics import precision_of

LAYERS = [1, 2, 3, 4, 5]
SETTINGS = {"at": "mlp", "tokens": 256, "dtype": "float32", "batch_tokens": 4096, "shard_tokens": 65536}
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2}  # root mean squared difference, over the standard deviation


@torch.no_grad()
def naive(model, ids: list[list[int]]) -> tuple[float, dict[int, torch.Tensor]]:
    """Seconds, and the rows of every layer in the order of the documents, first positions left out."""
    found: dict[int, list[torch.Tensor]] = {n: [] for n in LAYERS}
    seen: dict[int, torch.Tensor] = {}
    blocks = models.blocks(model)
    handles = [models.mlp(blocks[n], models.d_model(model)).register_forward_hook(lambda _m, _i, out, n=n: seen.__setitem__(n, out)) for n in LAYERS]
    begun = time.perf_counter()
    for start in range(0, len(ids), 32):
        batch = ids[start : start + 32]
        longest = max(map(len, batch))
        padded = torch.tensor([doc + [0] * (longest - len(doc)) for doc in batch])
        mask = torch.tensor([[1] * len(doc) + [0] * (longest - len(doc)) for doc in batch])
        model(input_ids=padded, attention_mask=mask, output_hidden_states=True)
        mask[:, 0] = 0
        for n in LAYERS:
            found[n].append(seen[n][mask.bool()])
    rows = {n: torch.cat(parts) for n, parts in found.items()}
    seconds = time.perf_counter() - begun
    for handle in handles:
        handle.remove()
    return seconds, rows


def ours(folder: Path, tokenizer, frame: pd.DataFrame, dtype: torch.dtype) -> tuple[float, dict[int, torch.Tensor]]:
    """The same from the shards that extraction wrote, put into the order of the documents."""
    model = models.load(folder, dtype)
    with tempfile.TemporaryDirectory() as out:
        begun = time.perf_counter()
        extract.extract(model, batches.plan(tokenizer, frame, SETTINGS, 1, "reviews"), {f"layer{n}": n for n in LAYERS}, SETTINGS, Path(out))
        seconds = time.perf_counter() - begun
        index = pd.read_parquet(Path(out) / "tokens.parquet")
        order = torch.from_numpy(index.sort_values(["document", "position"], kind="stable").index.to_numpy().copy())
        rows = {}
        for n in LAYERS:
            files = [file for part in batches.PARTS for file in shards.files(Path(out) / f"layer{n}", part)]
            rows[n] = torch.cat([load_file(file)["x"] for file in files])[order]
    return seconds, rows


def peer(library: str, folder: Path, threads: int) -> float:
    """Seconds of another library's round, in its own environment."""
    script = HERE / "peers/extraction.py"
    done = subprocess.run([environment(library.split()[0]), script, library, folder, str(threads)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{library}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reviews", help="Parquet file with a column text")
    parser.add_argument("--tokenizer", help="tokenizer.json of GPT-NeoX")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", action="store_true", help="SAELens and TransformerLens too, in an environment of their own below .peers")
    parser.add_argument("--json", type=Path, help="file of the results")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.reviews:
        texts = pd.read_parquet(arguments.reviews, columns=["text"])["text"].head(arguments.documents).tolist()
    else:
        texts = [document["text"] for document in grammar.generate(arguments.documents, 1)]
    if arguments.tokenizer:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=arguments.tokenizer, eos_token="<|endoftext|>", pad_token="<|padding|>")
    else:
        tokenizer = pretrain.train_tokenizer(texts, 2048)
    frame = corpus.finish({"train": pd.DataFrame({"text": ["one"]}), "test": pd.DataFrame({"text": texts})}, 0.3)["test"]
    ids = [tokenizer(text, truncation=True, max_length=SETTINGS["tokens"])["input_ids"] for text in frame["text"]]
    tokens = sum(len(doc) for doc in ids) - len(ids)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        torch.manual_seed(0)
        model = GPTNeoXForCausalLM(
            GPTNeoXConfig(vocab_size=50304, hidden_size=512, num_hidden_layers=6, num_attention_heads=8, intermediate_size=2048)
        ).eval()
        checkpoints.save(model, tokenizer, folder / "model")
        (folder / "job.json").write_text(json.dumps({"ids": ids, "layers": LAYERS, "length": SETTINGS["tokens"]}))
        contenders = {
            "naive fp32": lambda: naive(model, ids),
            "ours fp32": lambda: ours(folder / "model", tokenizer, frame, torch.float32),
            "ours bf16": lambda: ours(folder / "model", tokenizer, frame, torch.bfloat16),
        }
        if arguments.peers:
            for library in ("sae-lens", "sae-lens autocast", "transformer-lens"):
                contenders[library] = lambda library=library: (peer(library, folder, arguments.threads), None)
        if precision_of("auto", torch.device("cpu")) != torch.bfloat16:  # such a CPU only emulates it, for minutes
            contenders = {name: contender for name, contender in contenders.items() if not name.endswith(("bf16", "autocast"))}
        rates = {name: [] for name in contenders}
        for _ in range(arguments.rounds):
            for name, contender in contenders.items():
                took, rows = contender()
                rates[name].append(tokens / took)
                if name == "naive fp32":
                    reference = rows
                elif rows:
                    check(name, rows, reference)
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
    peaks = {end: ceiling(512, 2048, SETTINGS["batch_tokens"], dtype) for end, dtype in dtypes.items() if f"ours {end}" in rates}
    print(f"{len(ids)} documents, {tokens} tokens, layers {LAYERS}, {arguments.threads} threads, {arguments.rounds} rounds; one product alone: "
          + ", ".join(f"{peak / 1e9:.0f} ({end})" for end, peak in peaks.items()) + " GFLOP/s")  # fmt: skip
    for name, found in rates.items():
        middle = statistics.median(found)
        line = f"{name:20}{middle:9.0f} tokens/s ({min(found):.0f}-{max(found):.0f}), {middle / statistics.median(rates['naive fp32']):.2f} x naive"
        share = f", {middle * operations(model) / peaks[name[-4:]]:.0%} of that product's rate" if name.startswith("ours") else ""
        print(line + share)
    if arguments.json:
        arguments.json.write_text(json.dumps(rates, indent=1) + "\n")


def operations(model: GPTNeoXForCausalLM) -> int:
    """Floating-point operations a token of the blocks' linear layers and the kept layers' covariances; attention between tokens is not among them."""
    linear = sum(of.weight.numel() for of in models.blocks(model).modules() if isinstance(of, torch.nn.Linear))
    return 2 * (linear + len(LAYERS) * models.d_model(model) ** 2)


def check(name: str, rows: dict[int, torch.Tensor], reference: dict[int, torch.Tensor]) -> None:
    """Ours are the activations that the naive code gives, to the precision's tolerance."""
    allowed = TOLERANCE[torch.bfloat16 if "bf16" in name else torch.float32]
    for n, x in rows.items():
        worst = ((x - reference[n]).square().mean().sqrt() / reference[n].std()).item()
        if worst > allowed:
            sys.exit(f"{name}, layer {n}: root mean squared difference {worst:.2g} of the standard deviation, above {allowed}")


if __name__ == "__main__":
    main()
