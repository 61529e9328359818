"""Section 6.1: how many of the top features' explanations are about opinions on films, base against RLHF."""

import pandas as pd

from rewardscope.stats import against, counted, per_seed
from rewardscope.tables.explained import TOP, paid, promoted, spoken
from rewardscope.tables.film_opinions import about

COLUMNS = ["model", "reward", "layer", "base", "rlhf", "difference", "ci_low", "ci_high", "p_value"]
COUNTS = ["both", "films", "opinions", "promotes", "k"]


def rows(places: list[dict], names: dict) -> list[dict]:
    """A row per layer and one for all of them; `names` are their first columns.

    `places`: as `explained.places` gives them. `base` and `rlhf` count the explanations that name films and an opinion
    (film_opinions.yaml), `films_*` and `opinions_*` those that name the one or the other; `promotes_*` counts, in
    place of what a feature fires on, the tokens that it promotes.
    """
    frame = pd.DataFrame(_counts(places))
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
                    "both": sum(films and opinions for films, opinions in topics),
                    "films": sum(films for films, _ in topics),
                    "opinions": sum(opinions for _, opinions in topics),
                    "promotes": sum(all(about(promoted(line))) for line in lines),
                    "explainer": " ".join(sorted({line["explainer"] for line in lines})),
                    **paid(lines),
                }
            )
    return counts


def _row(frame: pd.DataFrame) -> dict:
    sides = per_seed(frame, COUNTS)
    return {
        **against(sides, "both"),
        **counted(frame),
        "top_k": int(frame["k"].min()),
        "explainer": " ".join(sorted(set(frame["explainer"]) - {""})),
        "texts": sides["k"]["base"].mean(),
        **{f"{name}_{side}": sides[name][side].mean() for name in ("films", "opinions") for side in ("base", "rlhf")},
        **{f"promotes_{name}": value for name, value in against(sides, "promotes").items()},
        **{name: frame[name].sum() for name in ("cost", "failures")},
    }
