"""Step 4: how many features RLHF added, removed and kept, against what another SAE seed alone would give (section 1).

A feature of one side is kept where its nearest feature on the other side has at least a certain cosine. Two
dictionaries trained on the same activations from different seeds do not agree either, so every count stands beside
its null: the same features counted against another seed's dictionary of their own side.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rewardscope.stats import paired, t_interval

COLUMNS = [
    "model", "reward", "layer", "among", "change", "kept_at", "threshold", "features", "count", "count_low", "count_high",
    "null", "difference", "ci_low", "ci_high", "p_value", "unit", "runs", "sae_seeds",
]  # fmt: skip
CHANCE = 0.05  # the threshold `chance`: at most this share of base features has no match in base of another seed
FIXED = (0.7, 0.8, 0.9)  # and thresholds that mean the same at every layer
RATIO = 2.0  # a feature has moved where its firing rate at least doubles or halves


def rows(comparison: pd.DataFrame, top_k: int, names: dict) -> list[dict]:
    """The rows of one model and reward, `names` first: per layer and in total, among the top k features and among all.

    `comparison`: the comparison tables (a feature of either side a row) of every run, with a column `run`. `change`:

    - `found`: RLHF features without a match in base; the null matches RLHF with RLHF of another seed
    - `lost`, `kept`: base features without and with a match in RLHF; the null matches base with base of another seed
    - `moved base`, `moved rlhf`: features of that side whose firing rates on the two models' activations of the same
      documents differ by a factor of two or more. Equal models would move none: no null, no p

    `kept_at` says where the least cosine of a match, `threshold`, is from: `chance` (the 5 % quantile of base against
    base of another seed, for each run, layer and kind of features, so that the null of `lost` is 5 % at most by construction;
    in a total its mean) or a fixed number. Every ranked feature of the other dictionary can be a match. `count` and
    `null` are means over replicates, `difference` is count - null. The replicate is the SAE seed of one run or, where
    there are several runs, the run. A seed's dictionary also serves in the null of the seed before it, so interval and
    p are approximate. With one seed there is no null.
    """
    replicates = pd.MultiIndex.from_frame(comparison[["run", "layer", "seed"]].drop_duplicates())
    layers = sorted(comparison["layer"].unique())
    unit = "run" if comparison["run"].nunique() > 1 else "seed"
    out = []
    for among, features in ((f"top {top_k}", comparison[comparison["place"] <= top_k]), ("all", comparison)):
        for change, counted in _changes(features):
            sums = counted.groupby(["run", "layer", "seed"])[["features", "count", "null"]].sum(min_count=1)
            sums = sums.reindex(replicates, fill_value=0)  # a dictionary without a living feature
            for layer in (*layers, "total"):
                summed = layers if layer == "total" else [layer]
                threshold = counted.loc[counted["layer"].isin(summed), "threshold"].drop_duplicates().mean()
                summary = _summary(sums[sums.index.isin(summed, level="layer")], unit)
                out.append({**names, "layer": layer, "among": among, **change, "threshold": threshold, **summary})
    return out


def _summary(sums: pd.DataFrame, unit: str) -> dict:
    """Columns `features` to `sae_seeds` from the counts of every run, layer and seed; layers are summed."""
    means = sums.groupby(["run", "seed"]).sum(min_count=1).groupby(unit).mean()
    low, high = t_interval(means["count"].to_numpy())
    return {
        **means.mean(),
        "count_low": low,
        "count_high": high,
        **paired((means["count"] - means["null"]).to_numpy()),
        "unit": {"run": "RLHF run", "seed": "SAE seed"}[unit],
        "runs": sums.index.unique("run").size,
        "sae_seeds": sums.index.unique("seed").size,
    }


def _changes(features: pd.DataFrame) -> Iterator[tuple[dict, pd.DataFrame]]:
    """Every kind of change, and a row per feature that it is about: `features` (1), `count` and `null` (0 or 1), `threshold`."""
    nulls = features["seed"].nunique() > 1
    base = features[features["side"] == "base"].groupby(["run", "layer"])["null_cosine"]
    by_chance = features[["run", "layer"]].join(base.quantile(CHANCE, interpolation="lower"), on=["run", "layer"])["null_cosine"]
    thresholds = {"chance": by_chance} if nulls else {}
    for kept_at, threshold in (thresholds | {value: value for value in FIXED}).items():
        # not `<`: where the other dictionary has no living feature the cosine is nan, and there is no match
        new = 1.0 * ~(features["cosine"] >= threshold)
        by_seed = 1.0 * ~(features["null_cosine"] >= threshold) if nulls else np.nan
        for change, side, count, null in (
            ("found", "rlhf", new, by_seed), ("lost", "base", new, by_seed), ("kept", "base", 1 - new, 1 - by_seed),
        ):  # fmt: skip
            counted = features.assign(features=1, count=count, null=null, threshold=threshold)
            yield {"change": change, "kept_at": kept_at}, counted[counted["side"] == side]
    ratio = features["rate_on_rlhf"] / features["rate_on_base"]
    moved = features.assign(features=1, count=1.0 * ((ratio >= RATIO) | (ratio <= 1 / RATIO)), null=np.nan, threshold=np.nan)
    for side in ("base", "rlhf"):
        yield {"change": f"moved {side}", "kept_at": pd.NA}, moved[moved["side"] == side]
