"""Table 3: the utility of the words in the explanations, base against RLHF (section 6.2)."""
import json
from math import fsum
from pathlib import Path

import numpy as np
import pandas as pd

from rewardscope.errors import UserError
from rewardscope.rewards import utilities
from rewardscope.stats import against, counted, replicates

COLUMNS = ["model", "reward", "m_base", "m_rlhf", "difference", "ci_low", "ci_high", "p_value", "samples", "top_k", "explainer"]
SUMS = ["m", "sum_u", "valence", "words", "promotes_m", "promotes_signed"]


def read(file: str | Path) -> list[dict]:
    """The explanations of one place, seed and sample, the best matched feature first."""
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def places(keys: list[tuple], layers: dict[str, dict[str, int]], base: list[str], rlhf: list[str]) -> dict[tuple[str, str], list[dict]]:
    """The explanations of both sides by (model, reward): a dict per place, seed and sample, as `row` takes them.

    `keys`: (pair, pick, seed, sample) of each file of `base` and `rlhf`; `layers`: every pair's picks. Raises UserError
    where they are of several explainers, as when a run with another model was cut short and its files are left.
    """
    found: dict[tuple[str, str], list[dict]] = {}
    for (pair, pick, seed, sample), *files in zip(keys, base, rlhf, strict=True):
        _, model, reward, run = pair.split("/")
        sides = dict(zip(("base", "rlhf"), map(read, files), strict=True))
        place = {"pair": pair, "run": run, "pick": pick, "layer": layers[pair][pick], "seed": seed, "sample": sample}
        found.setdefault((model, reward), []).append({**place, **sides})
    of_one_explainer({line["explainer"] for places in found.values() for place in places for side in ("base", "rlhf") for line in place[side]})
    return found


def of_one_explainer(explainers: set[str]) -> None:
    """Raise UserError where there are several."""
    if len(explainers) > 1:
        raise UserError(f"a table never mixes explainers, and these files are of {' and '.join(sorted(explainers))}; make them anew")


def paid(lines: list[dict]) -> dict[str, float]:
    """What explanations cost, dollars, and how many of them the server failed to give or cut off; of `tokens` nothing."""
    return {"cost": fsum(line.get("cost", 0.0) for line in lines), "failures": sum(bool(line.get("failure")) for line in lines)}


def spoken(explanation: dict) -> str:
    """The text whose words count: `activates_on`; of the server-less explainer the words it quotes, not its template."""
    return " . ".join(explanation["words"]) if explanation["explainer"] == "tokens" else explanation["activates_on"]


def promoted(explanation: dict) -> str:
    """The tokens whose logits the feature raises, as a text; what it lowers does not count."""
    return " . ".join(token["token"].strip() for token in explanation["raised"])


def score(texts: list[str], table: dict[str, float]) -> dict[str, float]:
    """Sums over texts: `m` (of |U| over words), `signed` (of U), `sum_u` (|sum U| a text), `valence`, `words`.

    `valence` is |mean U of a text's lexicon words|: the authors' code and the scale of the paper's Tables 3 and 4.
    `words` counts words that the table holds.
    """
    values = [np.array([value for _, value in utilities(text, table)]) for text in texts]
    return {
        "m": float(sum(np.abs(v).sum() for v in values)),
        "signed": float(sum(v.sum() for v in values)),
        "sum_u": float(sum(abs(v.sum()) for v in values)),
        "valence": float(sum(abs(v.mean()) for v in values if len(v))),
        "words": float(sum(len(v) for v in values)),
    }


def row(places: list[dict], table: dict[str, float], top_k: int, names: dict) -> dict:
    """One row of Table 3; `names` are its first columns.

    `places`: a dict per run, layer, seed and sample with the explanations of `base` and `rlhf`, best matched first.
    They are capped at `top_k` and at the living features of either side, alike. Layers are summed; samples are
    averaged inside a seed. The replicate is the SAE seed of one run, or, where there are several, the run.
    """
    frame = pd.DataFrame(_scores(places, table, top_k))
    sides, count = replicates(frame, [*SUMS, "k"]), counted(frame)
    fires, promotes = against(sides, "m"), against(sides, "promotes_m")
    means = {f"{name}_{side}": sides[name][side].mean() for name in SUMS[1:] for side in ("base", "rlhf")}
    texts = sides["k"]["base"].mean()
    return {
        **names,
        "m_base": fires.pop("base"),
        "m_rlhf": fires.pop("rlhf"),
        **fires,
        "samples": count.pop("samples"),
        "top_k": int(frame["k"].min()),
        "explainer": " ".join(sorted({line["explainer"] for place in places for line in place["base"]})),
        **count,
        "layers": " ".join(map(str, sorted(frame["layer"].unique()))),
        "texts": texts,
        "m_per_text_base": sides["m"]["base"].mean() / texts if texts else np.nan,
        "m_per_text_rlhf": sides["m"]["rlhf"].mean() / texts if texts else np.nan,
        **means,
        **{f"promotes_{name}": value for name, value in promotes.items() if name not in ("base", "rlhf")},
        **{name: frame[name].sum() for name in ("cost", "failures")},
    }


def _scores(places: list[dict], table: dict[str, float], top_k: int) -> list[dict]:
    """A row per place and side."""
    rows = []
    for place in places:
        k = min(top_k, len(place["base"]), len(place["rlhf"]))
        for side in ("base", "rlhf"):
            lines = place[side][:k]
            promotes = score([promoted(line) for line in lines], table)
            rows.append(
                {
                    **{name: place[name] for name in ("run", "layer", "seed", "sample")},
                    "side": side,
                    "k": k,
                    **score([spoken(line) for line in lines], table),
                    "promotes_m": promotes["m"],
                    "promotes_signed": promotes["signed"],
                    **paid(lines),
                }
            )
    return rows
