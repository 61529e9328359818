"""Table 3: the utility of the words in the explanations, base against RLHF (section 6.2)."""

import numpy as np
import pandas as pd

from rewardscope.stats import against, counted, replicates
from rewardscope.tables.explained import paid, promoted, score, spoken

SUMS = ["m", "sum_u", "valence", "words", "promotes_m", "promotes_signed"]


def row(places: list[dict], table: dict[str, float], top_k: int, names: dict) -> dict:
    """One row of Table 3; `names` are its first columns.

    `places`: one per run, layer, seed and sample (`explained.places`). Explanations are capped at `top_k` and at
    the living features of either side, alike. Layers are summed; samples are averaged inside a seed. The replicate is
    the SAE seed of one run, or, where there are several, the run.
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
