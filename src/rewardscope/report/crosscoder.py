"""The report's part on crosscoders: which features of one dictionary of both sides are one side's alone."""

import pandas as pd


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
