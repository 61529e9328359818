"""Do matched features do the same to the model? Reads a finished results folder: `python benchmarks/matched_features.py results --top 10 30`.

MMCS (Equation 2) compares directions alone. Here a feature of the small dictionary is taken out of the model where it fires, and its match in
the large one is put there in its place, at its activation f and the norm of its own row w:

    D(u) = logits(x + f (u - w)) - logits(x - f w), less its mean over the vocabulary      [windows, tokens, vocabulary]
    kept(m) = 1 - |D(m) - D(w)| / |D(w)|        cosine(m) = D(m) . D(w) / (|D(m)| |D(w)|)

D(w) is what ablating the feature takes from the logits. 1: the match does the same; 0: no nearer to it than an ablation; below 0: further
away. Beside it every feature gets the match of another one, drawn at random among the features asked for (of the largest --top). x is the
output of the place that the autoencoders read, on held windows on which the feature fires; the whole model is behind it. Printed per place and
per number of best matched features: means over them, a mean over SAE seeds, with Student's t interval over these (their noise, of one run).
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.activations.extract import capture
from rewardscope.errors import UserError
from rewardscope.export.results import Results
from rewardscope.models import models
from rewardscope.scores import windows
from rewardscope.seeds import derive
from rewardscope.stats import t_interval

MEASURES = ("kept", "cosine")
PLACE = ["side", "recipe", "pick", "layer"]


def kept(logits: Callable[[Tensor], Tensor], f: Float[Tensor, "W T"], own: Float[Tensor, "d"], match: Float[Tensor, "d"]) -> dict[str, float]:
    """`kept` and `cosine` of the equations above; `logits` of what is added at the place `[W, T, d]`. nan where the feature changes nothing."""

    def less_mean(change: Tensor) -> Tensor:
        return (change - change.mean(dim=-1, keepdim=True)).double()

    f, match = f[..., None], match * (own.norm() / match.norm())
    without = logits(-f * own)
    by_own, by_match = (less_mean(logits(f * (row - own)) - without) for row in (own, match))
    size, error = by_own.norm().item(), (by_match - by_own).norm().item()
    if not size:
        return dict.fromkeys(MEASURES, float("nan"))
    return {"kept": 1 - error / size, "cosine": ((by_own * by_match).sum() / by_own.norm() / by_match.norm()).item()}


def others(matches: Int[np.ndarray, "n"], rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """For each feature the match of another, which is not its own; -1 where all have the same."""
    return np.array([rng.choice(rest) if len(rest := matches[matches != own]) else -1 for own in matches])


def of_seed(model, place: str, layer: int, ids: Int[Tensor, "W T"], features: pd.DataFrame, small, large, count: int, seed: int) -> pd.DataFrame:
    """A row per feature of `features` (columns place, feature, large, cosine), of which each is asked of `count` windows of `ids` at most."""
    module, rng = models.places(model, [layer], place)[layer], np.random.default_rng(seed)
    with torch.no_grad():
        fires = small.encode(capture(model, {layer: module}, ids)[layer].float())
    fires[:, 0] = 0  # an attention sink, which the autoencoder never sees

    def logits(added: Tensor, which: np.ndarray) -> Tensor:
        return models.steered(model, module, added, ids[which]).float()

    rows = []
    for line, other in zip(features.itertuples(), others(features["large"].to_numpy(), rng), strict=True):
        f = fires[..., line.feature]
        chosen = rng.permutation(np.flatnonzero((f > 0).any(dim=1).numpy()))[:count]
        if not len(chosen) or other < 0:
            continue
        own, match, random = small.rows[line.feature], large.rows[line.large], large.rows[other]
        given = [kept(partial(logits, which=chosen), f[chosen], own, row) for row in (match, random)]
        rows.append({"place": line.place, "rows": line.cosine, **given[0], **{f"random_{name}": value for name, value in given[1].items()}})
    return pd.DataFrame(rows, columns=["place", "rows", *MEASURES, *(f"random_{name}" for name in MEASURES)])


def of_place(results: Results, place: dict, at: str, top: int, pool: int, count: int, length: int) -> pd.DataFrame:
    """Every seed of a place (a row of `Results.places`), a row per feature."""
    saes = results.saes(**place)
    site = results.folder / saes["path"].iloc[0].split("/saes/")[0]
    tuned = place["side"] == "rlhf"
    model = models.load(site / "model" if tuned else results.folder / "models" / place["model"] / "model")
    held = windows.cut(pd.read_parquet(site / "activations/tokens.parquet", columns=["document", "part", "position", "token"]), length)
    drawn = windows.some(np.random.default_rng(derive(0, "matched features")), np.arange(len(held.token)), pool)
    ids, found = torch.from_numpy(held.token[drawn].astype(np.int64)), []
    for seed in sorted(saes["seed"].unique()):
        features = results.features(**place, seed=seed)
        features = features[features["place"] <= top]
        small, large = (results.sae(**place, seed=seed, width=width) for width in sorted(saes["width"].unique()))
        rng_seed = derive(0, "matched features", place["side"], place["pick"], int(seed))
        found.append(of_seed(model, at, place["layer"], ids, features, small, large, count, rng_seed).assign(seed=seed))
    return pd.concat(found, ignore_index=True)


def line(rows: pd.DataFrame, top: int) -> list[str]:
    """The cells of the table for the `top` best matched features."""
    chosen = rows[rows["place"] <= top]
    seeds = chosen.assign(**{f"{name} less random": chosen[name] - chosen[f"random_{name}"] for name in MEASURES}).groupby("seed")
    means = seeds.mean(numeric_only=True)
    cells = [str(top), f"{seeds.size().mean():g}", f"{means['rows'].mean():.2f}"]
    for name in (name for measure in MEASURES for name in (measure, f"random_{measure}", f"{measure} less random")):
        low, high = t_interval(means[name].to_numpy())
        cells.append(f"{means[name].mean():.2f}" + f" ({low:.2f} to {high:.2f})" * (low == low))
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--pair", help="pairs/MODEL/REWARD/runN (the first)")
    parser.add_argument("--at", default="mlp", help="activations.at of its config: mlp or residual (mlp)")
    parser.add_argument("--top", type=int, nargs="+", default=[10, 30], help="best matched features, one line each (10 30)")
    parser.add_argument("--pool", type=int, default=256, help="held windows that features are looked for in (256)")
    parser.add_argument("--windows", type=int, default=16, help="windows a feature, at most (16)")
    parser.add_argument("--tokens", type=int, default=32, help="of a window (32)")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        results = Results(arguments.results)
        pair = results.pairs(path=arguments.pair or results.pairs()["path"].iloc[0])
    except UserError as error:
        raise SystemExit(error) from None
    names = pair.iloc[0][["model", "reward", "run"]].to_dict()
    print(f"{pair['path'].iloc[0]}: mean over SAE seeds (95 % interval over them)\n")
    header = ["place", "best", "features a seed", "cosine of rows"]
    header += [name for measure in MEASURES for name in (measure, f"{measure}, random", f"{measure} less random")]
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for place in results.places(**names)[PLACE].to_dict("records"):
        options = arguments.at, max(arguments.top), arguments.pool, arguments.windows, arguments.tokens
        rows = of_place(results, names | place, *options)
        for top in sorted(arguments.top):
            print("| " + " | ".join([", ".join(map(str, place.values())), *line(rows, top)]) + " |", flush=True)


if __name__ == "__main__":
    main()
