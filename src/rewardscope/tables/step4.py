"""Step 4: how many features RLHF added, removed and kept, against what another SAE seed alone would give (section 1).

A feature of one side is kept where its nearest feature on the other side has at least a certain cosine. Two
dictionaries trained on the same activations from different seeds do not agree either, so every count stands beside
its null: the same features counted against another seed's dictionary of their own side. Random rows with the activations'
covariance have a nearest feature too, so no threshold lies below what these reach.

This is change, not reward: tuning on a placebo changes features as well. The twins' counts stand beside.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rewardscope.stats import over_twins, sign_flip_p, two_sample_p, unit, welch
from rewardscope.tables.explained import shared_base

COLUMNS = [
    "model", "reward", "layer", "among", "change", "kept_at", "threshold", "features", "count", "count_low", "count_high",
    "null", "difference", "ci_low", "ci_high", "p_value", "unit", "runs", "sae_seeds", "featureless", "random", "twin", "over_twin",
    "over_twin_ci_low", "over_twin_ci_high", "net", "net_ci_low", "net_ci_high",
]  # fmt: skip
CHANCE = 0.05  # the threshold `chance`: at most this share of base features has no match in base of another seed, and of random rows one
FIXED = (0.7, 0.8, 0.9)  # and thresholds that mean the same at every layer
ALONE = {"found": "rlhf", "lost": "base", "kept": "both"}  # a change -> what `sae.crosscoder.latents` calls features that show it
RATIO = 2.0  # a feature has moved where its firing rate at least doubles or halves


def rows(comparison: pd.DataFrame, top_k: int, names: dict, twins: list[pd.DataFrame], made: list[tuple] = ()) -> list[dict]:
    """The rows of one model and reward, `names` first: per layer and in total, among the top k features and among all.

    `comparison`: the comparison tables (a feature of either side a row) of every run, with a column `run`; `twins`: the same of each
    twin; `made`: every (run, layer, seed), those without a ranked feature too. `change`:

    - `found`: RLHF features without a match in base; the null matches RLHF with RLHF of another seed
    - `lost`, `kept`: base features without and with a match in RLHF; the null matches base with base of another seed
    - `moved base`, `moved rlhf`: features of that side whose firing rates on the two models' activations of the same
      documents differ by a factor of two or more. Equal models would move none: no null, no p

    `kept_at` says where the least cosine of a match, `threshold`, is from: `chance` or a fixed number. `chance`: the 5 % quantile of
    base against base of another seed, but above the 95 % quantile of random rows, for each run, layer and kind of features; in a
    total its mean. `random`: how many of as many random rows do what `change` says. Every ranked feature of the other dictionary can be a
    match. `count` and `null` are means over replicates, `difference` is count - null. The replicate is the SAE seed of one run,
    whose counts and nulls are two samples (Welch; a permutation's p), or, where there are several runs, the run (Student; a sign flip's p, from six
    on). Where the runs share the base's SAEs, the variance of a mean over runs from one SAE seed to another is added, and there is no p: else no
    interval held their noise. A seed's dictionary also serves in the null of the seed before it, so all of this is approximate; against a twin the
    shared base cancels. With one seed there is no null.
    A dictionary that has no ranked feature, on the other side none to compare with, or in another seed none for the null, is left out
    (`featureless` of them in all layers); where a run has no other there is nothing to compare: nan.
    `net`: count - random, with the interval of `difference`'s rule.
    `twin`: the twins' own difference; `over_twin`: by how much this one exceeds it.
    """
    others = [_counts(twin, top_k) for twin in twins]
    base = comparison[comparison["side"] == "base"]
    shared = shared_base(zip(base["run"], zip(*(base[key] for key in ("layer", "seed", "place", "feature")), strict=True), strict=True))
    out = []
    for key, sums in _counts(comparison, top_k, made).items():
        among, change, kept_at, layer = key
        beside = over_twins(_seeds(sums), "difference", [_seeds(other[key]) for other in others if key in other])
        facts = {"layer": layer, "among": among, "change": change, "kept_at": kept_at}
        out.append({**names, **facts, **_summary(sums, shared), **beside})
    return out


def crosscoder_rows(latents: dict[int, tuple[pd.DataFrame, pd.DataFrame]], names: dict, twins: list[dict] = ()) -> list[dict]:
    """The same by a crosscoder's own measure, `among` and `kept_at` say so: features that are the tuned side's alone, the base's, and both sides'.

    `latents`: layer -> `sae.crosscoder.latents` of the pair and of base against base, whose counts are `null`; `twins`: the same of each twin. Of one
    run and one SAE seed: there is no interval. Features that hardly fire are none (`featureless`: of how many layers either dictionary has no other).
    """
    out = []
    for layer in (*sorted(latents), "total"):
        for change in ALONE:
            features, count, null, featureless = _alone(latents, layer, change)
            others = [_alone(twin, layer, change) for twin in twins if layer in (*twin, "total")]
            twin = float(np.mean([of - chance for _, of, chance, _ in others])) if others else np.nan
            facts = {"layer": layer, "among": "crosscoder", "change": change, "kept_at": "latent scaling", "features": features, "count": count}
            facts |= {"null": null, "difference": count - null, "unit": unit(1), "runs": 1, "sae_seeds": 1, "featureless": featureless}
            out.append({**names, **facts, "twin": twin, "over_twin": count - null - twin})
    return out


def _alone(latents: dict[int, tuple[pd.DataFrame, pd.DataFrame]], layer: int | str, change: str) -> tuple[float, float, float, int]:
    """Features of a layer or in `total`, how many of them are as `change` says, of base against base as many, and layers without a feature."""
    tables = list(latents.values()) if layer == "total" else [latents[layer]]
    both = [[table["alone"].dropna() for table in of] for of in tables]
    count, null = (float(sum((of[i] == ALONE[change]).sum() for of in both)) for i in (0, 1))
    return float(sum(len(of[0]) for of in both)), count, null, sum(not (len(of[0]) and len(of[1])) for of in both)


def _counts(comparison: pd.DataFrame, top_k: int, made: list[tuple] = ()) -> dict[tuple, pd.DataFrame]:
    """By (among, change, kept_at, layer or `total`): `features, count, null, random, threshold` of every run and seed."""
    replicates = pd.MultiIndex.from_frame(comparison[["run", "layer", "seed"]].drop_duplicates())
    replicates = replicates.union(pd.MultiIndex.from_tuples(made, names=replicates.names)) if made else replicates
    layers = sorted(replicates.unique("layer"))
    out = {}
    for among, features in ((f"top {top_k}", comparison[comparison["place"] <= top_k]), ("all", comparison)):
        for change, counted in _changes(features, replicates.unique("seed").size > 1):
            sums = counted.groupby(["run", "layer", "seed"])[["features", "count", "null", "random"]].sum(min_count=1)
            sums = sums.reindex(replicates)  # nan: a dictionary without a ranked feature, of which there is nothing to count
            for layer in (*layers, "total"):
                summed = layers if layer == "total" else [layer]
                of_layer = sums[sums.index.isin(summed, level="layer")].groupby(["run", "seed"]).sum(min_count=1)
                threshold = counted.loc[counted["layer"].isin(summed), "threshold"].drop_duplicates().mean()
                out[among, change["change"], change["kept_at"], layer] = of_layer.assign(threshold=threshold)
    return out


def _seeds(sums: pd.DataFrame) -> pd.DataFrame:
    """count - null as `stats.per_seed` has a value: what stands on no side is on `rlhf`."""
    difference = sums["count"] - sums["null"]
    return pd.DataFrame({("difference", "base"): 0.0 * difference, ("difference", "rlhf"): difference})


def _summary(sums: pd.DataFrame, shared: bool) -> dict:
    """Columns `threshold` to `random`, and `net`, from the counts of every run and seed; `shared`: whether the runs share the base's SAEs."""
    runs = sums.index.unique("run").size
    means = sums.groupby("run").mean() if runs > 1 else sums.groupby("seed").mean().dropna(subset="count")
    count, null, random = (means[name].to_numpy() for name in ("count", "null", "random"))
    if runs == 1:
        over_null, over_random, p = [(1.0, count), (-1.0, null)], [(1.0, count), (-1.0, random)], two_sample_p(count, null)
    else:
        over_null, over_random = (
            [(1.0, count - other), *_of_seeds(sums["count"] - sums[name], shared)] for name, other in (("null", null), ("random", random))
        )
        p = np.nan if shared else sign_flip_p(count - null)
    _, low, high = welch([(1.0, count), *_of_seeds(sums["count"], shared)])
    (difference, ci_low, ci_high), (net, net_low, net_high) = welch(over_null), welch(over_random)
    return {
        **(means.mean(skipna=False) if len(means) else dict.fromkeys(means, np.nan)),
        "count_low": low,
        "count_high": high,
        "difference": difference,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "p_value": p,
        "net": net,
        "net_ci_low": net_low,
        "net_ci_high": net_high,
        "featureless": int(sums["count"].isna().sum()),
        "unit": unit(runs),
        "runs": runs,
        "sae_seeds": sums.index.unique("seed").size,
    }


def _of_seeds(values: pd.Series, shared: bool) -> list[tuple[float, np.ndarray]]:
    """What an interval over runs adds for base SAEs that all share, as a sample of mean 0 for `stats.welch`: means over runs, a SAE seed each."""
    means = values.groupby("seed").mean().dropna()
    return [(1.0, (means - means.mean()).to_numpy())] if shared else []


def _changes(features: pd.DataFrame, nulls: bool) -> Iterator[tuple[dict, pd.DataFrame]]:
    """Every kind of change, and a row per feature that it is about: `features` (1), `count`, `null`, `random` (0 or 1), `threshold`.

    `nulls`: whether there are several SAE seeds.
    """
    places = ["run", "layer"]
    seeds = features[features["side"] == "base"].groupby(places)["null_cosine"].quantile(CHANCE, interpolation="lower")
    floor = features.groupby(places)["random_cosine"].quantile(1 - CHANCE, interpolation="higher")
    least = np.fmax(seeds, np.nextafter(floor, np.inf))  # above the quantile: at it, more than `CHANCE` could match; nan where nothing lives
    by_chance = features[places].join(least.rename("threshold"), on=places)["threshold"]
    thresholds = {"chance": by_chance} if nulls else {}
    alone = features["cosine"].isna() | (nulls & features["null_cosine"].isna())  # the dictionary that they are compared with has no ranked feature
    for kept_at, threshold in (thresholds | {value: value for value in FIXED}).items():
        new, at_random = (1.0 * ~(features[name] >= threshold) for name in ("cosine", "random_cosine"))
        by_seed = 1.0 * ~(features["null_cosine"] >= threshold) if nulls else np.nan
        for change, side, count, null, random in (
            ("found", "rlhf", new, by_seed, at_random), ("lost", "base", new, by_seed, at_random),
            ("kept", "base", 1 - new, 1 - by_seed, 1 - at_random),
        ):  # fmt: skip
            counted = features.assign(features=1.0, count=count, null=null, random=random, threshold=threshold)
            counted.loc[alone, ["features", "count", "null", "random"]] = np.nan
            yield {"change": change, "kept_at": kept_at}, counted[counted["side"] == side]
    ratio = features["rate_on_rlhf"] / features["rate_on_base"]
    changed = 1.0 * ((ratio >= RATIO) | (ratio <= 1 / RATIO))
    moved = features.assign(features=1, count=changed, null=np.nan, random=np.nan, threshold=np.nan)
    for side in ("base", "rlhf"):
        yield {"change": f"moved {side}", "kept_at": None}, moved[moved["side"] == side]
