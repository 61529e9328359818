"""The table of scores: every score beside its baselines, base against RLHF."""

import pandas as pd

from rewardscope.stats import against, counted, featureless, per_seed, replicates, t_interval
from rewardscope.tables.explained import shared_base

COLUMNS = ["model", "reward", "layer", "scorer", "measure", "explanation", "base", "base_low", "base_high", "rlhf", "rlhf_low", "rlhf_high",
           "difference", "ci_low", "ci_high", "p_value", "samples", "unit", "runs", "sae_seeds", "featureless", "top_k", "unparsed", "explainer",
           "cost"]  # fmt: skip
MEASURES = {
    "simulation": ("correlation",),
    "detection": ("auroc", "balanced_accuracy"),
    "promotes": ("raised", "lowered", "most_raised", "most_lowered"),
}
REPLICATE = ["run", "seed", "sample"]


def rows(scores: pd.DataFrame, scorer: str, names: dict, made: list[tuple] = ()) -> list[dict]:
    """A row per layer (and `all`), measure and explanation: `own`, `other`, `own - other`, `empty`; `names` are the first columns.

    `scores`: a row per explanation with run, layer, seed, sample, side, place and a column `{measure}_{explanation}` of
    each. Equally many of the best matched features of both sides. Means over explanations; the replicate is the SAE seed of
    one run or, where there are several, the run. `made`: every (run, layer, seed, sample), those without a ranked feature too, which have
    no score: a run without any leaves nothing to compare, nan.
    """
    keys, scored = ["run", "layer", "seed", "sample"], [f"{measure}_{of}" for measure in MEASURES[scorer] for of in ("own", "other", "empty")]
    scores = scores if len(scores) else scores.reindex(columns=[*dict.fromkeys([*scores, *scored])])
    places = pd.MultiIndex.from_frame(scores[keys].drop_duplicates())
    places = places.union(pd.MultiIndex.from_tuples(set(made), names=keys)) if made else places  # of both sides: each once
    sizes = scores.groupby([*keys, "side"]).size().unstack("side").reindex(index=places, columns=["base", "rlhf"]).fillna(0)
    sizes = sizes.min(axis=1).astype(int).rename("k").reset_index()
    base = scores[scores["side"] == "base"]
    shared = shared_base(zip(base["run"], zip(*(base[key] for key in ("layer", "seed", "place", "feature")), strict=True), strict=True))
    scores = scores.merge(sizes, on=keys)
    scores = scores[scores["place"] <= scores["k"]]
    layers = [(layer, scores[scores["layer"] == layer], sizes[sizes["layer"] == layer]) for layer in sorted(sizes["layer"].unique())]
    return [row for layer, *group in [*layers, ("all", scores, sizes)] for row in _rows(*group, shared, layer, scorer, names)]


def _rows(scores: pd.DataFrame, sizes: pd.DataFrame, shared: bool, layer: int | str, scorer: str, names: dict) -> list[dict]:
    """`sizes`: how many explanations `k` count at every place, in `scores` or not; `shared`: whether the runs share the base's SAEs."""
    table = []
    facts = {**counted(sizes), "featureless": featureless(sizes), "top_k": int(sizes["k"].min()), "unparsed": int(scores["unparsed"].sum())}
    facts |= {"explainer": " ".join(sorted(set(scores["explainer"]))), "cost": scores["cost"].sum()}
    both = sizes[REPLICATE].drop_duplicates().merge(pd.DataFrame({"side": ["base", "rlhf"]}), how="cross")
    for measure in MEASURES[scorer]:
        values = {name: scores[f"{measure}_{name}"] for name in ("own", "other", "empty")}
        values = {"own": values["own"], "other": values["other"], "own - other": values["own"] - values["other"], "empty": values["empty"]}
        frame = scores[[*REPLICATE, "side"]].assign(**{name: value.astype(float) for name, value in values.items()})
        means = both.merge(frame.groupby([*REPLICATE, "side"], as_index=False).mean(), how="left").assign(shared=shared)
        sides, seeds = replicates(means, list(values)), per_seed(means, list(values))
        for explanation in values:
            row = {**names, "layer": layer, "scorer": scorer, "measure": measure, "explanation": explanation}
            for side in ("base", "rlhf"):
                of_side = sides[explanation][side]
                low, high = t_interval((of_side if facts["runs"] > 1 else of_side.dropna()).to_numpy())
                row |= {f"{side}_low": low, f"{side}_high": high}
            table.append({**row, **against(seeds, explanation), **facts})
    return table
