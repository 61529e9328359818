"""Section 6.1: how many of the top features' explanations are about opinions on films, base against RLHF."""

import numpy as np
import pandas as pd

from rewardscope.stats import against, counted, featureless, per_seed
from rewardscope.tables.explained import TOP, explainers, paid, promoted, shared, spoken
from rewardscope.tables.film_opinions import about

COUNTS = ["both", "films", "opinions", "promotes", "k"]  # nan where no feature of a side is ranked


def rows(places: list[dict], names: dict) -> list[dict]:
    """A row per layer and one for all of them; `names` are their first columns.

    `places`: as `explained.places` gives them. `base` and `rlhf` count the explanations that name films and an opinion
    (film_opinions.yaml), `films_*` and `opinions_*` those that name the one or the other; `promotes_*` counts, in
    place of what a feature fires on, the tokens that it promotes.
    """
    frame = pd.DataFrame(_counts(places)).assign(shared=shared(places), explainer=explainers(places))
    layers = [(layer, frame[frame["layer"] == layer]) for layer in sorted(frame["layer"].unique())]
    return [{**names, "layer": layer, **_row(group)} for layer, group in [*layers, ("all", frame)]]


def _counts(places: list[dict]) -> list[dict]:
    """A row per place and side."""
    counts = []
    for place in places:
        k = min(TOP, len(place["base"]), len(place["rlhf"]))
        for side in ("base", "rlhf"):
            lines = place[side][:k]
            topics = [about(spoken(line)) for line in lines]
            counts.append(
                {
                    **{name: place[name] for name in ("run", "layer", "seed", "sample")},
                    "side": side,
                    "k": k,
                    "both": sum(films and opinions for films, opinions in topics) if k else np.nan,
                    "films": sum(films for films, _ in topics) if k else np.nan,
                    "opinions": sum(opinions for _, opinions in topics) if k else np.nan,
                    "promotes": sum(all(about(promoted(line))) for line in lines) if k else np.nan,
                    **paid(lines),
                }
            )
    return counts


def _row(frame: pd.DataFrame) -> dict:
    sides = per_seed(frame, COUNTS)
    texts = sides["k"]["base"][sides["k"]["base"] > 0]
    return {
        **against(sides, "both"),
        **counted(frame),
        "top_k": int(frame["k"].min()),
        "explainer": frame["explainer"].iloc[0],
        "featureless": featureless(frame),
        "texts": texts.mean() if len(texts) else 0,
        **{f"{name}_{side}": sides[name][side].mean() for name in ("films", "opinions") for side in ("base", "rlhf")},
        **{f"promotes_{name}": value for name, value in against(sides, "promotes").items()},
        **{name: frame[name].sum() for name in ("cost", "failures")},
    }
