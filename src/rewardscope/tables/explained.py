"""Explanations where tables look for them: the files of every place, the words in them that count, and what these are worth.

A place is a dict: `pair`, `run`, `pick`, `layer`, `seed`, `sample`, and the explanations of `base` and `rlhf`, the best matched feature first.
"""

from collections.abc import Iterable
from math import fsum
from pathlib import Path

import numpy as np
import pandas as pd

from rewardscope.errors import UserError
from rewardscope.files import read_json
from rewardscope.rewards.utility import utilities

# How Tables 3 and 4 begin
COLUMNS = ["model", "reward", "m_base", "m_rlhf", "difference", "ci_low", "ci_high", "p_value", "samples", "top_k", "explainer"]
TOP = 10  # features per layer: section 5.2; Table 5 and section 6.1 show these


def explanations(file: str | Path) -> list[dict]:
    """The explanations of one place, seed and sample, the best matched feature first."""
    return read_json(file)


def places(keys: list[tuple], layers: dict[str, dict[str, int]], base: list[str], rlhf: list[str]) -> dict[tuple[str, str], list[dict]]:
    """The explanations of both sides by (model, reward): a place per run, layer, seed and sample.

    `keys`: (pair, pick, seed, sample) of each file of `base` and `rlhf`; `layers`: every pair's picks. Raises UserError
    where they are of several explainers, as when a run with another model was cut short and its files are left.
    """
    groups: dict[tuple[str, str], list[dict]] = {}
    for (pair, pick, seed, sample), *files in zip(keys, base, rlhf, strict=True):
        _, model, reward, run = pair.split("/")
        sides = dict(zip(("base", "rlhf"), map(explanations, files), strict=True))
        place = {"pair": pair, "run": run, "pick": pick, "layer": layers[pair][pick], "seed": seed, "sample": sample}
        groups.setdefault((model, reward), []).append({**place, **sides})
    of_one_explainer({line["explainer"] for group in groups.values() for place in group for side in ("base", "rlhf") for line in place[side]})
    return groups


def controls(files: dict[str, str | Path]) -> pd.DataFrame:
    """`PAIR/controls/promoted.parquet` of every run (the keys), with a column `run`."""
    return pd.concat([pd.read_parquet(file).assign(run=run) for run, file in files.items()], ignore_index=True)


def pooled(places: list[dict], top_k: int) -> dict[tuple, list[dict]]:
    """The explanations of all layers by (run, seed, sample, side), of each layer the best `top_k`, equally many of both sides."""
    pooled: dict[tuple, list[dict]] = {}
    for place in places:
        k = min(top_k, len(place["base"]), len(place["rlhf"]))
        for side in ("base", "rlhf"):
            pooled.setdefault((place["run"], place["seed"], place["sample"], side), []).extend(place[side][:k])
    return pooled


def shared_base(features: Iterable[tuple[str, tuple]]) -> bool:
    """Whether several runs have one base: `(run, what it is)` of every explained base feature, the same in each of them.

    What is compared of them need not be the same: a run compares as many features as its RLHF side has.
    """
    of_run: dict[str, set[tuple]] = {}
    for run, feature in features:
        of_run.setdefault(run, set()).add(feature)
    return len(of_run) > 1 and len(set(map(frozenset, of_run.values()))) == 1


def shared(places: list[dict]) -> bool:
    """`shared_base` of the explanations of `places`."""
    return shared_base(
        (place["run"], (place["layer"], place["seed"], number, line["feature"])) for place in places for number, line in enumerate(place["base"])
    )


def explainers(places: list[dict]) -> str:
    """Who explained the features of `places`, of either side."""
    return " ".join(sorted({line["explainer"] for place in places for side in ("base", "rlhf") for line in place[side]}))


def of_one_explainer(explainers: set[str]) -> None:
    """Raise UserError where there are several."""
    if len(explainers) > 1:
        raise UserError(f"a table never mixes explainers, and these files are of {' and '.join(sorted(explainers))}; make them anew")


def paid(lines: list[dict]) -> dict[str, float]:
    """What explanations cost, dollars, and how many of them have no words as the server gave none; of `tokens` nothing."""
    return {"cost": fsum(line.get("cost", 0.0) for line in lines), "failures": sum(bool(line.get("failure")) for line in lines)}


def spoken(explanation: dict) -> str:
    """The text whose words count: `activates_on`; of the server-less explainer the words it quotes, not its template."""
    return " . ".join(explanation["words"]) if explanation["explainer"] == "tokens" else explanation["activates_on"]


def promoted(explanation: dict) -> str:
    """The tokens whose logits the feature raises, as a text; what it lowers does not count."""
    return " . ".join(token["token"].strip() for token in explanation["raised"])


def score(texts: list[str], table: dict[str, float]) -> dict[str, float]:
    """Sums over texts: `m` (of |U| over words), `signed` (of U), `sum_u` (|sum U| a text), `valence`, `words`; nan without a text.

    `valence` is |mean U of a text's lexicon words|: the authors' code and the scale of the paper's Tables 3 and 4.
    `words` counts words that the table holds.
    """
    if not texts:
        return dict.fromkeys(("m", "signed", "sum_u", "valence", "words"), np.nan)
    values = [np.array([value for _, value in utilities(text, table)]) for text in texts]
    return {
        "m": float(sum(np.abs(v).sum() for v in values)),
        "signed": float(sum(v.sum() for v in values)),
        "sum_u": float(sum(abs(v.sum()) for v in values)),
        "valence": float(sum(abs(v.mean()) for v in values if len(v))),
        "words": float(sum(len(v) for v in values)),
    }
