"""The report's part on crosscoders: which features of one dictionary of both sides are one side's alone, and its features in the browser."""

import pandas as pd

from rewardscope.report.features import Tokens, address, browsed, rounded


def crosscoders(counts: pd.DataFrame, alone: pd.DataFrame, several: bool) -> list[dict]:
    """A model, reward and layer each: how many features are either side's alone beside base against base, and the tuned side's own in words.

    `counts` and `own` are tables/crosscoder.csv and crosscoder_features.csv, which list at most so many features a layer; `several`: rewards.
    """
    lists = dict(tuple(alone.groupby(["model", "reward", "layer"])))
    out = []
    for row in counts.to_dict("records"):
        title = f"{row['model']}, {row['reward']}{' (a twin)' if isinstance(row['twin_of'], str) else ''}, " * several + f"layer {row['layer']}"
        listed = lists.get((row["model"], row["reward"], row["layer"]))
        told = [] if listed is None else listed.to_dict("records")
        out.append({**row, "title": title, "told": told, "left": row["rlhf_alone"] - len(told)})
    return out


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
