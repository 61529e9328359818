"""The report's part on crosscoders: which features of one dictionary of both sides are one side's alone, and its features in the browser."""

from math import isfinite

import pandas as pd

from rewardscope.report.charts import signed
from rewardscope.report.features import Tokens, address, browsed, rounded


def crosscoders(counts: pd.DataFrame, alone: pd.DataFrame, several: bool) -> list[dict]:
    """A model, reward and layer each: how many features are either side's alone beside base against base, and the tuned side's own in words.

    `counts` and `alone` are tables/crosscoder.csv and crosscoder_features.csv, which list at most so many features a layer; `several`: rewards.
    """
    lists = dict(tuple(alone.groupby(["model", "reward", "layer"])))
    out = []
    for row in counts.to_dict("records"):
        title = f"{row['model']}, {row['reward']}{' (a twin)' if isinstance(row['twin_of'], str) else ''}, " * several + f"layer {row['layer']}"
        listed = lists.get((row["model"], row["reward"], row["layer"]))
        told = [] if listed is None else listed.to_dict("records")
        out.append({**row, "title": title, "told": told, "left": row["rlhf_alone"] - len(told)})
    return out


def counted(table: pd.DataFrame) -> list[dict]:
    """Step 4's lines of a crosscoder (none without one), all layers together: one run and one SAE seed have no interval, and no random rows."""
    joint = table[(table["layer"] == "total") & (table["among"] == "crosscoder")]
    named = {"found": "tuned's alone", "lost": "base's alone", "kept": "both models'"}
    return [
        {
            "name": f"crosscoder, {named[row['change']]} (of {row['features']:.0f}; base against base of {joint['null'].sum():.0f})",
            **row,
            "says": f"{signed(row['difference'])} (no interval)" if isfinite(row["difference"]) else "nothing to compare",
            "less": "–",
            "above": signed(row["over_twin"]) if isfinite(row["twin"]) else "–",
        }
        for row in joint.to_dict("records")
    ]


def entries(pair: str, layer: int, lines: list[dict], fires: pd.DataFrame, tokens: Tokens, table: dict[str, float] | None) -> list[dict]:
    """A pair's crosscoder in the feature browser, as `features.entries` has other features: on a side of its own, `crosscoder`.

    `lines`: its explanations; `fires`: where they fire on fit documents. `alone`, `norm`, `nu`: what `sae.crosscoder.latents` says of a feature.
    """
    firings = dict(tuple(fires.groupby("feature")))
    return [
        {
            "id": address(pair, "crosscoder", layer, 1, line["feature"]),
            "alone": line["alone"],
            "norm": rounded(line["relative_norm"]),
            "nu": [rounded(line["nu_error"]), rounded(line["nu_reconstruction"])],
            **browsed(line, firings.get(line["feature"], fires.iloc[:0]), tokens, table),
        }
        for line in lines
    ]
