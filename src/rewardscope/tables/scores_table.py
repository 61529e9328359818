"""The table of scores: every score beside its baselines, base against RLHF."""

import pandas as pd

from rewardscope.stats import against, counted, per_seed, replicates, t_interval

COLUMNS = ["model", "reward", "layer", "scorer", "measure", "explanation", "base", "base_low", "base_high", "rlhf", "rlhf_low", "rlhf_high",
           "difference", "ci_low", "ci_high", "p_value", "samples", "unit", "runs", "sae_seeds", "top_k", "unparsed", "explainer",
           "cost"]  # fmt: skip
MEASURES = {
    "simulation": ("correlation",),
    "detection": ("auroc", "balanced_accuracy"),
    "promotes": ("raised", "lowered", "most_raised", "most_lowered"),
}


def rows(scores: pd.DataFrame, scorer: str, names: dict) -> list[dict]:
    """A row per layer (and `all`), measure and explanation: `own`, `other`, `own - other`, `empty`; `names` are the first columns.

    `scores`: a row per explanation with run, layer, seed, sample, side, place and a column `{measure}_{explanation}` of
    each. Equally many of the best matched features of both sides. Means over explanations; the replicate is the SAE seed of
    one run or, where there are several, the run.
    """
    keys = ["run", "layer", "seed", "sample", "side"]
    sizes = scores.groupby(keys).size().unstack("side", fill_value=0).reindex(columns=["base", "rlhf"], fill_value=0).min(axis=1)
    scores = scores.join(sizes.rename("k"), on=keys[:-1])
    scores = scores[scores["place"] <= scores["k"]]
    layers = [(layer, scores[scores["layer"] == layer]) for layer in sorted(scores["layer"].unique())]
    return [row for layer, group in [*layers, ("all", scores)] if len(group) for row in _rows(group, layer, scorer, names)]


def _rows(scores: pd.DataFrame, layer: int | str, scorer: str, names: dict) -> list[dict]:
    table = []
    facts = {**counted(scores), "top_k": int(scores["k"].min()), "unparsed": int(scores["unparsed"].sum())}
    facts |= {"explainer": " ".join(sorted(set(scores["explainer"]))), "cost": scores["cost"].sum()}
    for measure in MEASURES[scorer]:
        values = {name: scores[f"{measure}_{name}"] for name in ("own", "other", "empty")}
        values = {"own": values["own"], "other": values["other"], "own - other": values["own"] - values["other"], "empty": values["empty"]}
        frame = scores[["run", "seed", "sample", "side"]].assign(**values)
        means = frame.groupby(["run", "seed", "sample", "side"], as_index=False).mean()
        sides, seeds = replicates(means, list(values)), per_seed(means, list(values))
        for explanation in values:
            row = {**names, "layer": layer, "scorer": scorer, "measure": measure, "explanation": explanation}
            for side in ("base", "rlhf"):
                low, high = t_interval(sides[explanation][side].to_numpy())
                row |= {f"{side}_low": low, f"{side}_high": high}
            table.append({**row, **against(seeds, explanation), **facts})
    return table
