"""Explanations small enough to count by hand, where table 3 and section 5.3 look for them, and what they are read against."""

import pandas as pd


def line(words: str, raised: str = "", explainer: str = "tokens") -> dict:
    """An explanation that quotes `words`; its template holds "fires", which must not count for `tokens`."""
    quoted = words.split()
    return {
        "words": quoted,
        "activates_on": f"Fires on {' '.join(quoted)}.",
        "raised": [{"token": f" {word}", "logit": 1.0} for word in raised.split()],
        "lowered": [{"token": " bad", "logit": -1.0}],
        "explainer": explainer,
        "feature": f"{words}, {raised}",  # in place of a number: another feature says something else
    }


def place(base: list, rlhf: list, run="run1", layer=2, seed=1, sample=1) -> dict:
    return {"run": run, "layer": layer, "seed": seed, "sample": sample, "base": base, "rlhf": rlhf}


def control(kind: str, side: str, *rows: str, seed=1, run="run1", through="", pick="top1") -> pd.DataFrame:
    """Lines of `PAIR/controls/promoted.parquet`: for each row the words it promotes, the best first."""
    facts = {"kind": kind, "side": side, "through": through or side, "pick": pick, "layer": 2, "seed": seed, "run": run}
    told = [(place, rank, f" {word}") for place, row in enumerate(rows, start=1) for rank, word in enumerate(row.split(), start=1)]
    return pd.DataFrame(told, columns=["place", "rank", "token"]).assign(**facts)
