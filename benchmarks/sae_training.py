"""SAE training: this package against plain eager PyTorch and, with --peers, SAELens and dictionary_learning.

    python benchmarks/sae_training.py --peers --rounds 5 --threads 2

One run, alternating rounds. Everybody trains one autoencoder on the same tokens in the same batches, from the same
start, with Adam. Timed are the steps alone: no import, no reading, no evaluation, and of a library in a process of its own
not its first step. SAELens and dictionary_learning clip gradients, as they do. Then everybody's held loss is computed
by one formula: mean squared error + l1 * sum of codes at unit dictionary rows. SAELens and dictionary_learning have no
tied weights: they stand beside our untied recipe; plain PyTorch does both.

The data is planted: sparse sums of 2 d random directions, and noise. There are two starts: `random`, from which half of
the features are active, and `trained`, a dictionary that has learned the directions, where most of a real training's
steps are spent. Printed are medians and spreads of tokens a second, ratios to eager PyTorch, the share of the measured
ceiling of a matrix product that the step's five products reach, held loss and L0.

With --k they train by BatchTopK at that k in place of an L1 penalty (SAELens in its dense and its sparse mode).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from rewardscope.numerics import precision_of
from rewardscope.sae import model as sae_module
from rewardscope.sae.batchtopk import BatchTopK

HERE = Path(__file__).parent
PEERS = {"sae-lens": ["sae-lens==6.54.12"], "dictionary-learning": ["dictionary-learning==0.1.0"]}
MODELS = {"transformer-lens": ["transformer-lens==4.3.0"]}  # SAELens wants one below 4
LEARNING_RATE, ACTIVE, SCALE = 1e-3, 16, 0.2  # of Adam; planted directions active a token; standard deviation of the data
TRAINED = 60  # steps from the planted directions to the trained start
NAMES = ("w_enc", "b_enc", "w_dec", "b_dec")


def planted(tokens: int, d: int, seed: int) -> torch.Tensor:
    """Sparse sums of 2 d unit directions with exponential weights, and a little noise `[tokens, d]`."""
    rng = torch.Generator().manual_seed(seed)
    directions = sae_module.new(2 * d, d, [0], tied=True).w_dec[0]
    chosen = torch.randint(2 * d, (tokens, ACTIVE), generator=rng)
    weights = torch.empty(tokens, ACTIVE).exponential_(generator=rng)
    x = torch.nn.functional.embedding_bag(chosen, directions, per_sample_weights=weights, mode="sum")
    x += 0.05 * torch.randn(tokens, d, generator=rng)
    return (x - x.mean(0)) * (SCALE / x.std())


def eager(start: dict, x: torch.Tensor, job: dict) -> tuple[float, dict]:
    """Plain PyTorch: autograd, fp32, Adam as it comes, rows normalised after each step."""
    w_enc, b_enc, w_dec, b_dec = (start[name].clone().requires_grad_() for name in NAMES)
    if job["tied"]:
        w_dec = w_enc
    parameters = [w_enc, b_enc, b_dec] + ([] if job["tied"] else [w_dec])
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    begun = time.perf_counter()
    for batch in x.split(job["batch"]):
        f = torch.relu(batch @ w_enc.T + b_enc)
        if job["k"]:
            largest = f.flatten().topk(round(job["k"] * len(batch)), sorted=False)
            f = torch.zeros_like(f).flatten().scatter(0, largest.indices, largest.values).view_as(f)
        loss = (f @ w_dec + b_dec - batch).square().mean() + job["l1"] * f.sum(dim=1).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            w_dec /= w_dec.norm(dim=1, keepdim=True)
    seconds = time.perf_counter() - begun
    return seconds, dict(zip(NAMES, (t.detach() for t in (w_enc, b_enc, w_dec, b_dec)), strict=True))


def ours(start: dict, x: torch.Tensor, job: dict, precision: torch.dtype) -> tuple[float, dict]:
    w_enc = start["w_enc"][None].clone()
    w_dec = w_enc if job["tied"] else start["w_dec"][None].clone()
    model = sae_module.SAE(w_enc, start["b_enc"][None].clone(), w_dec, start["b_dec"][None].clone())
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    top = BatchTopK(model, {"k": job["k"], "nested": [], "dead_steps": 100, "frozen_decoder": False}) if job["k"] else None
    begun = time.perf_counter()
    for batch in x.split(job["batch"]):
        if top:
            top.gradients_(batch[None], precision)
        else:
            sae_module.gradients_(model, batch[None], job["l1"], precision=precision)
        optimizer.step()
        model.normalise_()
    seconds = time.perf_counter() - begun
    return seconds, {name: getattr(model, name)[0] for name in NAMES}


def peer(name: str, folder: Path, job: dict) -> tuple[float, dict]:
    """A round of another library, in its own environment."""
    python, script = environment(name), HERE / "peers" / f"{name.replace('-', '_')}_training.py"
    done = subprocess.run([python, script, folder, json.dumps(job)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])["seconds"], load_file(folder / "end.safetensors")


def environment(name: str) -> Path:
    """The Python of a peer's own environment, made where there is none."""
    folder = HERE.parent / ".peers" / name
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        print(f"installing {name} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"torch=={torch.__version__.split('+')[0]}"], check=True)
        subprocess.run([*pip, *(PEERS | MODELS)[name]], check=True)
        (folder / "ready").touch()
    return python


@torch.no_grad()
def held_loss(model: dict, x: torch.Tensor, l1: float, k: float) -> tuple[float, float]:
    """(loss, L0): mean squared error + l1 * sum of codes, with the dictionary's norms moved into the codes.

    With `k` only the k largest codes a token of the held batch count, for everybody: thresholds that are running means lag in a short run.
    """
    norms = model["w_dec"].norm(dim=1)
    f = torch.relu(x @ model["w_enc"].T + model["b_enc"])
    if k:
        f *= f * norms >= (f * norms).flatten().topk(round(k * len(x))).values[-1]
    mse = (f @ model["w_dec"] + model["b_dec"] - x).square().mean()
    return (mse + l1 * (f * norms).sum(dim=1).mean()).item(), (f > 0).sum(dim=1).float().mean().item()


def ceiling(d: int, width: int, batch: int, dtype: torch.dtype) -> float:
    """Floating-point operations a second of the step's largest product alone."""
    a, b = torch.randn(batch, d).to(dtype), torch.randn(width, d).to(dtype)
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        a @ b.T
        times.append(time.perf_counter() - begun)
    return 2 * batch * d * width / statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["512x1024", "768x1536", "1024x2048"], help="d_model x features")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--l1", type=float, default=0.003)
    parser.add_argument("--k", type=float, default=0.0, help="BatchTopK: features active a token, in place of an L1 penalty")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", nargs="+", default=["random", "trained"], choices=["random", "trained"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", action="store_true", help="SAELens and dictionary_learning too, each in an environment of its own below .peers")
    parser.add_argument("--json", type=Path, help="file of the results, for `--plot`")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = []
    for size in arguments.sizes:
        d, width = map(int, size.split("x"))
        results += measure(d, width, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def starts(d: int, width: int, job: dict) -> dict[str, dict]:
    """Weights at random, and those that our training reaches from the planted directions in `TRAINED` steps."""
    first = sae_module.new(width, d, [0], tied=False)  # the seed of `planted`: its directions where width is 2 d
    random = sae_module.new(width, d, [3], tied=False)
    found = {"random": {name: getattr(random, name)[0] for name in NAMES}}
    first.b_enc -= 4 * SCALE * 0.3
    own = planted(TRAINED * job["batch"], d, 4)
    _, trained = ours({name: getattr(first, name)[0] for name in NAMES}, own, job, torch.float32)
    found["trained"] = {name: trained[name] for name in NAMES}
    return found


def measure(d: int, width: int, arguments: argparse.Namespace) -> list[dict]:
    """All contenders at one size; prints a table for each start and returns their rows."""
    x, held = planted(arguments.steps * arguments.batch, d, 1), planted(8192, d, 2)
    l1 = 0.0 if arguments.k else arguments.l1
    job = {"batch": arguments.batch, "l1": l1, "k": arguments.k, "learning_rate": LEARNING_RATE, "threads": arguments.threads}
    operations = 5 * 2 * len(x) * d * width  # of the step's five products, dense
    peaks = [ceiling(d, width, arguments.batch, dtype) for dtype in (torch.float32, torch.bfloat16)]
    rows = []
    for begin, start in starts(d, width, job | {"tied": False}).items():
        if begin not in arguments.starts:
            continue
        print(f"\nd_model {d}, {width} features, {begin} start, batch {arguments.batch}, {arguments.steps} steps, {arguments.threads} threads, "
              f"{arguments.rounds} rounds; one product alone: {peaks[0] / 1e9:.0f} (fp32), {peaks[1] / 1e9:.0f} (bf16) GFLOP/s")  # fmt: skip
        print(f"{'':36}{'tokens/s':>10}{'spread':>16}{'x eager':>9}{'of ceiling':>12}{'held loss':>11}{'L0':>7}", flush=True)
        seconds, losses = race(start, x, held, job, arguments)
        for name, times in seconds.items():
            kind = name.split(", ")[1]
            ratio = statistics.median(seconds[f"eager fp32, {kind}"]) / statistics.median(times)
            rates = sorted(len(x) / t for t in times)
            share = operations / statistics.median(times) / peaks["bf16" in name or "autocast" in name]
            loss, l0 = losses[name]
            rows.append(
                {"d": d, "width": width, "start": begin, "name": name, "rates": rates, "ratio": ratio, "ceiling": share, "loss": loss, "l0": l0}
            )
            print(
                f"{name:36}{statistics.median(rates):10.0f}{rates[0]:8.0f}-{rates[-1]:<7.0f}{ratio:9.2f}{share:11.0%}{loss:12.4f}{l0:7.1f}",
                flush=True,
            )
            reference = losses[f"eager fp32, {kind}"][0]
            if name.startswith("ours") and abs(loss / reference - 1) > 0.01:
                sys.exit(f"{name}: held loss {loss:.4f}, not within 1 % of {reference:.4f}")
    return rows


def race(start: dict, x: torch.Tensor, held: torch.Tensor, job: dict, arguments: argparse.Namespace) -> tuple[dict, dict]:
    """Seconds of every round, and (held loss, L0), of every contender."""
    tied, untied = job | {"tied": True}, job | {"tied": False}
    contenders = {
        "eager fp32, tied": lambda: eager(start, x, tied),
        "ours fp32, tied": lambda: ours(start, x, tied, torch.float32),
        "ours bf16, tied": lambda: ours(start, x, tied, torch.bfloat16),
        "eager fp32, untied": lambda: eager(start, x, untied),
        "ours fp32, untied": lambda: ours(start, x, untied, torch.float32),
        "ours bf16, untied": lambda: ours(start, x, untied, torch.bfloat16),
    }
    with tempfile.TemporaryDirectory() as folder:
        if arguments.peers:
            save_file({"x": x, **start}, Path(folder) / "start.safetensors")
            for name in ["sae-lens"] if arguments.k else PEERS:
                for mode in ("fp32", "sparse", "autocast") if arguments.k else ("fp32", "autocast"):
                    own = untied | {"autocast": mode == "autocast", "sparse": mode == "sparse"}
                    contenders[f"{name} {mode}, untied"] = lambda name=name, own=own: peer(name, Path(folder), own)
        if precision_of("auto", torch.device("cpu")) != torch.bfloat16:  # such a CPU only emulates it, at a thirtieth of the speed
            contenders = {name: train for name, train in contenders.items() if "bf16" not in name and "autocast" not in name}
        seconds, losses = {name: [] for name in contenders}, {}
        for _ in range(arguments.rounds):
            for name, train in contenders.items():
                took, model = train()
                seconds[name].append(took)
                losses[name] = held_loss(model, held, job["l1"], job["k"])
    return seconds, losses


if __name__ == "__main__":
    main()
