"""Which recipe finds true features: every recipe of config.yaml on data whose features are known, seed by seed.

    python benchmarks/dictionaries.py --seeds 3 --peers

Activations are sparse sums of 256 unit directions in 64 dimensions (superposition), firing with Zipf's frequencies, in correlated groups,
with folded normal sizes, and a little noise. All recipes read as many tokens in equal batches at one L0, that of the data: the L1 coefficient
that gives it is searched as the workflow does (`sae: {l0: ...}`). Printed per recipe:

- fvu, l0: of held tokens
- mcc, pw_mcc: mean cosine of a one-to-one assignment of dictionary rows to true features, and to the rows of the other seeds
- recovered: the share of true features with a row at a cosine of .9
- f1: of each true feature's firing, by that of its assigned row
- mmcs_top, mmcs_all: how many of the tenth that a dictionary of twice the width matches best are true features, and how many of all

With --peers SAELens' BatchTopK and Matryoshka too, at three learning rates, in an environment of its own. With --data sae-lens all of them
read data of SAELens' own generator (`sae_lens.synthetic`) at the same size and L0: Zipf's frequencies, correlations of low rank, a bias.
"""

import argparse
import json
import subprocess
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from sae_training import environment
from safetensors.torch import load_file, save_file
from scipy.optimize import linear_sum_assignment

from rewardscope.config.inherit import resolve
from rewardscope.sae import match, sparsity, train
from rewardscope.sae.model import SAE, from_tensors

HERE = Path(__file__).parent
D, FEATURES, ACTIVE = 64, 256, 8.0  # of the data: dimensions, directions, mean directions active a token
GROUPS, CORRELATION = 16, 0.4  # of the features that fire together, and the correlation of what their firing is thresholded from
BATCH, TOKENS, HELD, EPOCHS = 512, 400_000, 20_000, 1
RATES = (0.0003, 0.001, 0.004)  # Adam's learning rates that SAELens is tried at: its own, and ours
THEIRS = {"exponent": 0.5, "max_prob": 0.36, "spread": 0.3}  # of SAELens' generator: it then has ACTIVE features a token, with sizes as ours
TRUE = 0.9  # cosine from which a row is a true feature
RECIPES = ("paper", "untied", "batchtopk", "matryoshka")


def planted(tokens: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Activations `[tokens, D]`, the features' sizes in them `[tokens, FEATURES]`, and their directions `[FEATURES, D]`, the same for every seed."""
    directions = torch.nn.functional.normalize(torch.randn(FEATURES, D, generator=torch.Generator().manual_seed(0)), dim=1)
    rates = 1 / torch.arange(1, FEATURES + 1).sqrt()  # Zipf's law with an exponent of a half: the rarest still fires
    rates *= ACTIVE / rates.sum()
    rng = torch.Generator().manual_seed(seed)
    group = torch.arange(FEATURES) % GROUPS
    shared = torch.randn(tokens, GROUPS, generator=rng)[:, group]
    drive = CORRELATION**0.5 * shared + (1 - CORRELATION) ** 0.5 * torch.randn(tokens, FEATURES, generator=rng)
    fires = drive > -torch.special.ndtri(rates)
    sizes = fires * (1 + 0.3 * torch.randn(tokens, FEATURES, generator=rng)).abs()
    return sizes @ directions + 0.02 * torch.randn(tokens, D, generator=rng), sizes, directions


def asked(script: str, job: dict, folder: Path) -> None:
    """Run a script of peers/ in SAELens' environment."""
    command = [environment("sae-lens"), HERE / "peers" / script, folder, json.dumps(job | {"threads": torch.get_num_threads()})]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"sae-lens:\n{done.stderr[-3000:]}")


def theirs(tokens: int) -> tuple[torch.Tensor, ...]:
    """SAELens' data: activations to train on, held ones, the features' sizes in these, directions; shapes of `planted`."""
    with tempfile.TemporaryDirectory() as folder:
        asked("sae_lens_synthetic.py", THEIRS | {"features": FEATURES, "d": D, "tokens": {"x": tokens, "held": HELD}}, Path(folder))
        stored = load_file(Path(folder) / "data.safetensors")
    return tuple(stored[name] for name in ("x", "held", "sizes", "directions"))


def ours(tokens: int) -> tuple[torch.Tensor, ...]:
    """The same of `planted`."""
    (x, _, directions), (held, sizes, _) = planted(tokens, 1), planted(HELD, 2)
    return x, held, sizes, directions


def truth(model: SAE, x: torch.Tensor, sizes: torch.Tensor, directions: torch.Tensor) -> dict[str, float]:
    """MCC, share of true features recovered, and mean F1 of their firing, of a stack of one on held tokens."""
    rows, fired = model.w_dec[0].numpy(), (model.encode(x[None])[0] > 0).numpy()
    alive = fired.any(axis=0)
    similarity = match.cosines(directions.numpy(), rows[alive])
    true, assigned = linear_sum_assignment(similarity, maximize=True)
    real, read = sizes.numpy()[:, true] > 0, fired[:, alive][:, assigned]
    hits = (real & read).sum(axis=0)
    scores = np.zeros(len(directions))
    scores[true] = 2 * hits / np.maximum(real.sum(axis=0) + read.sum(axis=0), 1)
    return {
        "mcc": float(similarity[true, assigned].sum() / len(directions)),
        "recovered": float((similarity.max(axis=1) >= TRUE).mean()),
        "f1": float(scores.mean()),
    }


def picked(small: np.ndarray, large: np.ndarray, directions: np.ndarray) -> tuple[float, float]:
    """Of the rows of `small` the share that are true features: among the tenth that `large` matches best (Equation 2), and among all."""
    true = match.cosines(small, directions).max(axis=1) >= TRUE
    order = np.argsort(-match.cosines(small, large).max(axis=1))
    return float(true[order[: max(1, len(small) // 10)]].mean()), float(true.mean())


def trained(recipe: dict, width: int, seeds: list[int], x: torch.Tensor, held: torch.Tensor) -> tuple[SAE, list[dict]]:
    """One recipe at the data's L0, every seed, and its metrics on held tokens."""

    def run(l1: float, of: list[int], rows: torch.Tensor) -> tuple[SAE, list[dict]]:
        model, _ = train.train(lambda _epoch: iter(rows.split(50_000)), D, width, recipe, l1, BATCH, of, "cpu")
        return model, train.evaluate(model, lambda: iter([held]))[0]

    if recipe.get("k"):
        return run(0.0, seeds, x)
    tried = sparsity.search(ACTIVE, lambda l1: run(l1, seeds[:1], x)[1][0]["l0"], 0.02)
    return run(sparsity.best(ACTIVE, tried)[0], seeds, x)


def recipes() -> dict[str, dict]:
    """Those of config.yaml, each over what it is `like`, with the L0 of the data and as many epochs."""
    library = resolve(yaml.safe_load((HERE.parent / "config.yaml").read_text(encoding="utf-8")))["sae_recipes"]
    chosen = {name: {"nested": [], "dead_steps": 100} | library[name] | {"epochs": EPOCHS} for name in RECIPES}
    return {name: recipe | ({"k": ACTIVE} if recipe.get("k") else {}) for name, recipe in chosen.items()}


def peer(kind: str, seed: int, x: torch.Tensor, nested: list[int], learning_rate: float) -> SAE:
    """SAELens' autoencoder of the same data, batches, steps and L0, as it is read after training."""
    with tempfile.TemporaryDirectory() as folder:
        save_file({"x": x}, Path(folder) / "x.safetensors")
        job = {"kind": kind, "seed": seed, "k": ACTIVE, "width": FEATURES, "nested": nested, "batch": BATCH, "learning_rate": learning_rate}
        asked("sae_lens_dictionaries.py", job, Path(folder))
        end = load_file(Path(folder) / "end.safetensors")
    return SAE(*(end[name][None] for name in ("w_enc", "b_enc", "w_dec", "b_dec", "threshold")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", choices=("ours", "sae-lens"), default="ours", help="whose generator (ours)")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="learning rates of SAELens")
    parser.add_argument("--peers", action="store_true", help="SAELens too, in an environment of its own below .peers")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    x, held, sizes, directions = {"ours": ours, "sae-lens": theirs}[arguments.data](arguments.tokens)
    seeds, rows, library = list(range(1, arguments.seeds + 1)), [], recipes()
    for name, recipe in ((name, library[name]) for name in arguments.recipes):
        small, metrics = trained(recipe, FEATURES, seeds, x, held)
        large, _ = trained(recipe, 2 * FEATURES, [100 + seed for seed in seeds], x, held)
        consistent = match.consistency([small.w_dec[s].numpy() for s in range(len(seeds))])
        for s, of in enumerate(metrics):
            top, every = picked(small.w_dec[s].numpy(), large.w_dec[s].numpy(), directions.numpy())
            known = truth(from_tensors(small.tensors(s)), held, sizes, directions) | {"pw_mcc": consistent[s], "mmcs_top": top, "mmcs_all": every}
            rows.append({"recipe": name, **known, "fvu": of["fvu"], "l0": of["l0"]})
    if arguments.peers:
        for kind, nested in (("batchtopk", []), ("matryoshka", [round(share * FEATURES) for share in library["matryoshka"]["nested"]])):
            for rate, seed in product(arguments.rates, seeds):
                model = peer(kind, seed, x, nested, rate)
                of = train.evaluate(model, lambda: iter([held]))[0][0]
                known = truth(model, held, sizes, directions)
                rows.append({"recipe": f"SAELens {kind}, learning rate {rate:g}", **known, "fvu": of["fvu"], "l0": of["l0"]})
    table = pd.DataFrame(rows)
    means, low, high = (getattr(table.groupby("recipe", sort=False), of)() for of in ("mean", "min", "max"))
    active = (sizes > 0).float().sum(dim=1).mean().item()
    print(
        f"{arguments.tokens} tokens, {FEATURES} features in {D} dimensions, {active:.2f} active; mean over {len(seeds)} seeds (lowest to highest)\n"
    )
    print("| recipe | " + " | ".join(means) + " |\n|" + "---|" * (1 + len(means.columns)))
    for name in means.index:
        spreads = zip(means.loc[name], low.loc[name], high.loc[name], strict=True)
        print(
            f"| {name} | " + " | ".join("" if np.isnan(mean) else f"{mean:.3g} ({least:.3g} to {most:.3g})" for mean, least, most in spreads) + " |"
        )


if __name__ == "__main__":
    main()
