"""Table 5 (Appendix E): every explanation of the best matched features, place by place.

The numbers have no interval: at another SAE seed, a place holds another feature.
"""

import pandas as pd

from rewardscope.tables.explained import TOP

COLUMNS = ["model", "reward", "run", "side", "layer", "place", "feature", "large_feature", "cosine", "activates_on", "promotes",
           "explainer", "sae_seed", "top_k", "cost", "failure"]  # fmt: skip


def rows(place: dict, features: dict[str, pd.DataFrame], names: dict) -> list[dict]:
    """A row per feature of either side at one place, the best matched first, equally many of both sides.

    `place`: as `explained.places` gives it; `features`: by side, its matched features (`place, small, large, cosine`), whose
    `cosine` is what the feature contributes to MMCS (Equation 2). `names` are the first columns. Where a side has no ranked feature,
    there is a row a side that says so (`top_k` 0) and is empty else.
    """
    k = min(TOP, len(place["base"]), len(place["rlhf"]))
    if not k:
        return [
            {**dict.fromkeys(COLUMNS, pd.NA), **names, "side": side, "layer": place["layer"], "sae_seed": place["seed"], "top_k": 0}
            for side in ("base", "rlhf")
        ]
    return [
        {
            **names, "side": side, "layer": place["layer"], "place": match.place, "feature": match.small, "large_feature": match.large,
            "cosine": match.cosine, "activates_on": line["activates_on"], "promotes": line["promotes"],
            "explainer": line["explainer"], "sae_seed": place["seed"], "top_k": k,
            "cost": line.get("cost", 0.0), "failure": _failures(line),
        }
        for side in ("base", "rlhf")
        for line, match in zip(place[side][:k], _matches(place[side][:k], features[side]), strict=True)
    ]  # fmt: skip


def _failures(line: dict) -> str:
    """Why an explanation has no words, and why it does not say in words what the feature promotes, where a server was asked that too."""
    promotes = line.get("failure_of_promotes")
    return "; ".join(filter(None, (line.get("failure"), f"promotes: {promotes}" if promotes else "")))


def _matches(lines: list[dict], features: pd.DataFrame):
    """The rows of `features` that `lines` explain."""
    return features.set_index("small", drop=False).loc[[line["feature"] for line in lines]].itertuples()
