"""Step 4's counts on frames small enough to count by hand, and on dictionaries with planted changes."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rewardscope.sae import compare, match
from rewardscope.stats import t_interval
from rewardscope.tables import step4

NAMES = {"model": "tiny", "reward": "utility"}
NET = ["net", "net_ci_low", "net_ci_high"]
OVER = ["twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high"]


def table(side: str, cosines, nulls, layer=3, seed=1, run="run1", base=None, rlhf=None, random=0.0) -> pd.DataFrame:
    """The comparison's rows of one side, seed and layer; places in order; rates equal and random rows far from all unless given.

    Each run has features of its own, so a base of its own.
    """
    rates = {"rate_on_base": base or [0.1] * len(cosines), "rate_on_rlhf": rlhf or [0.1] * len(cosines)}
    places = np.arange(1, len(cosines) + 1)
    columns = {
        "side": side,
        "feature": places + 100 * int(run[3:]),
        "place": places,
        "cosine": cosines,
        "null_cosine": nulls,
        "random_cosine": random,
        **rates,
    }
    return pd.DataFrame(columns).assign(layer=layer, seed=seed, run=run)


def count(tables: list[pd.DataFrame], top_k=30, twins=()) -> pd.DataFrame:
    """Rows by (layer, among, change, kept_at)."""
    found = pd.DataFrame(step4.rows(pd.concat(tables, ignore_index=True), top_k, NAMES, [pd.concat(twin, ignore_index=True) for twin in twins]))
    assert set(found) == set(step4.COLUMNS) and list(found)[:3] == step4.COLUMNS[:3]
    return found.assign(kept_at=found["kept_at"].astype(object).fillna("")).set_index(["layer", "among", "change", "kept_at"]).sort_index()


TWO = [  # two seeds of one layer, counted at 0.8
    table("rlhf", [0.9, 0.8, 0.1], [0.9, 0.9, 0.7], seed=1, random=[0.8, 0.1, 0.9]),  # found 1, by seed 1, at random 1
    table("rlhf", [0.9, 0.2, 0.1], [0.9, 0.9, 0.9], seed=2, random=[0.1, 0.2, 0.3]),  # found 2, by seed 0, at random 3
    table("base", [0.9, 0.9, 0.2, 0.1], [0.9, 0.1, 0.9, 0.9], seed=1, random=[0.1, 0.1, 0.1, 0.9]),  # lost 2, by seed 1, at random 3
    table("base", [0.9, 0.9, 0.9, 0.1], [0.9, 0.9, 0.9, 0.9], seed=2, random=[0.1, 0.1, 0.1, 0.1]),  # lost 1, by seed 0, at random 4
]


def test_counts_by_hand():
    found = count(TWO)
    expected = {  # features, count, null, difference, random: means over the two seeds
        "found": [3, 1.5, 0.5, 1.0, 2.0],
        "lost": [4, 1.5, 0.5, 1.0, 3.5],
        "kept": [4, 2.5, 3.5, -1.0, 0.5],
    }
    for change, values in expected.items():
        row = found.loc[(3, "all", change, 0.8)]
        assert row[["features", "count", "null", "difference", "random"]].tolist() == values, change
        assert row["threshold"] == 0.8
    row = found.loc[(3, "all", "found", 0.8)]
    welch = stats.ttest_ind([1, 2], [1, 0], equal_var=False).confidence_interval()  # counts and nulls of the seeds
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((welch.low, welch.high))
    assert (row["count_low"], row["count_high"]) == pytest.approx(t_interval(np.array([1.0, 2.0])))
    random = stats.ttest_ind([1, 2], [1, 3], equal_var=False).confidence_interval()  # counts and those of the seeds' random rows
    assert row[NET].tolist() == pytest.approx([-0.5, random.low, random.high])
    assert found.loc[(3, "all", "kept", 0.8), "net"] == 2 and found.loc[(3, "all", "moved base", ""), NET].isna().all()
    assert math.isnan(row["p_value"]) and row[OVER].isna().all()
    assert (row["unit"], row["runs"], row["sae_seeds"]) == ("SAE noise of one run", 1, 2)


def test_top_k_counts_only_the_best_matched():
    found = count(TWO, top_k=2)
    assert found.loc[(3, "top 2", "found", 0.8)][["features", "count", "null", "random"]].tolist() == [2, 0.5, 0, 1.5]
    assert found.loc[(3, "top 2", "lost", 0.8)][["features", "count", "null", "random"]].tolist() == [2, 0, 0.5, 2]
    assert found.loc[(3, "all", "found", 0.8), "count"] == 1.5


def test_total_sums_layers_inside_a_seed():
    other = [t.assign(layer=5) for t in TWO]
    found = count([*TWO, *other])
    for change in ("found", "lost", "kept"):
        layer, total = found.loc[(3, "all", change, 0.8)], found.loc[("total", "all", change, 0.8)]
        keys = ["features", "count", "null", "difference", "ci_low", "ci_high", "count_low", "random"]
        assert total[keys].tolist() == pytest.approx((2 * layer[keys]).tolist(), nan_ok=True)  # layers are summed before the interval
    everything = found.reset_index()
    assert set(everything["layer"]) == {3, 5, "total"}


def test_the_threshold_by_chance_lets_at_most_a_twentieth_of_base_miss():
    nulls = [i / 100 for i in range(1, 42)]
    base = [table("base", [0.5] * 41, nulls, seed=s) for s in (1, 2)]
    found = count([*base, *(table("rlhf", [0.02, 0.03], [0.9, 0.9], seed=s) for s in (1, 2))])
    lost, new = found.loc[(3, "all", "lost", "chance")], found.loc[(3, "all", "found", "chance")]
    assert lost["threshold"] == new["threshold"] == 0.03  # 82 values, each twice: index 0.05 x 81, rounded down, is 4
    assert (lost["null"], lost["count"], new["count"]) == (2, 0, 1)
    assert lost["null"] / lost["features"] <= step4.CHANCE


def test_the_threshold_by_chance_is_a_run_s_own():
    """Of 22 nulls index 0.05 x 21 = 1.05 is rounded down to 1 (one above it two of 22 would miss: 9 %); run 2's are higher by a half."""
    tables = []
    for run, more in (("run1", 0.0), ("run2", 0.5)):
        for seed in (1, 2):
            nulls = [more + i / 100 for i in range(seed, 23, 2)]
            tables += [table("base", [0.99] * 11, nulls, seed=seed, run=run), table("rlhf", [0.4], [0.99], seed=seed, run=run)]
    one = count([t for t in tables if t["run"][0] == "run1"])
    assert one.loc[(3, "all", "lost", "chance"), ["threshold", "null"]].tolist() == [0.02, 0.5]  # 1 of 22, a half a seed
    both = count(tables)
    lost, new = both.loc[(3, "all", "lost", "chance")], both.loc[(3, "all", "found", "chance")]
    assert (lost["threshold"], lost["null"]) == pytest.approx(((0.02 + 0.52) / 2, 0.5))
    assert new["count"] == 0.5  # 0.4 is a match in run 1 and none in run 2


def test_no_threshold_by_chance_lets_more_than_a_twentieth_of_random_rows_match():
    """Of the 86 random rows of both sides index 0.95 x 85, rounded up, is 81: 0.415; four lie above it."""
    tables = []
    for seed, more in ((1, 0.0), (2, 0.005)):
        random = [more + i / 100 for i in range(1, 42)]
        tables += [table("base", [0.5] * 41, [0.3] * 41, seed=seed, random=random)]
        tables += [table("rlhf", [0.412, 0.415], [0.9, 0.9], seed=seed, random=[0.5, 0.6])]
    found = count(tables)
    lost, new, kept = (found.loc[(3, "all", change, "chance")] for change in ("lost", "found", "kept"))
    assert lost["threshold"] == new["threshold"] == pytest.approx(0.415, abs=1e-12) and lost["threshold"] > 0.415
    assert (lost["count"], new["count"], lost["null"], kept["null"]) == (0, 2, 41, 0)
    assert (lost["random"], kept["random"], new["random"]) == (41, 0, 0)
    assert (2 * kept["random"] + 2 * (2 - new["random"])) / 86 <= step4.CHANCE < 5 / 86
    far = count([t.assign(random_cosine=t["random_cosine"] - 0.2) for t in tables])
    assert far.loc[(3, "all", "lost", "chance"), "threshold"] == 0.3  # the floor lies below base's own


def test_the_floor_is_a_run_s_and_a_layer_s_own():
    tables = [
        table(side, [0.5], [0.1], layer=layer, seed=seed, run=run, random=random)
        for (run, layer), random in {("run1", 3): 0.2, ("run1", 5): 0.3, ("run2", 3): 0.4, ("run2", 5): 0.7}.items()
        for seed in (1, 2)
        for side in ("base", "rlhf")
    ]
    found = count(tables).xs("chance", level="kept_at").xs("all", level="among")
    assert [found.loc[(layer, "lost"), "threshold"] for layer in (3, 5, "total")] == pytest.approx([0.3, 0.5, 0.4])
    assert [found.loc[(layer, "lost"), "count"] for layer in (3, 5, "total")] == [0, 0.5, 0.5]  # 0.5 is no match at run 2's layer 5
    assert [found.loc[(layer, "kept"), "random"] for layer in (3, 5, "total")] == [0, 0, 0]


def test_one_seed_has_no_null():
    found = count([t.assign(null_cosine=np.nan) for t in (TWO[0], TWO[2])])
    assert "chance" not in found.index.get_level_values("kept_at")
    row = found.loc[(3, "all", "found", 0.8)]
    assert (row["count"], row["random"]) == (1, 1) and all(math.isnan(row[key]) for key in ("null", "difference", "ci_low", "count_low", "p_value"))


def test_p_over_six_seeds():
    tables = [table(side, [0.1, 0.9], [0.9, 0.9], seed=s) for s in range(1, 7) for side in ("base", "rlhf")]
    row = count(tables).loc[(3, "all", "found", 0.8)]
    assert (row["difference"], row["p_value"]) == (1, 2 / 924)  # six counts of 1, six nulls of 0: this split and its opposite
    same = [t.assign(null_cosine=t["cosine"]) for t in tables]
    assert count(same).loc[(3, "all", "found", 0.8), "p_value"] == 1


def test_replicates_of_several_runs_are_the_runs():
    """Run 1 differs by 0 and 2 in its seeds, run 2 by 3 and 3: two replicates, 1 and 3. Of random rows 0 and -1, 2 and 2: -0.5 and 2."""
    second = [table(side, [0.1] * 3, [0.9] * 3, seed=s, run="run2", random=[0.9, 0.8, 0.1]) for s in (1, 2) for side in ("base", "rlhf")]
    row = count([*TWO, *second]).loc[(3, "all", "found", 0.8)]
    assert (row["difference"], row["unit"], row["runs"]) == (2, "tuning run", 2)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(t_interval(np.array([1.0, 3.0])))
    assert row[NET].tolist() == pytest.approx([0.75, *t_interval(np.array([-0.5, 2.0]))])


def test_a_base_that_all_runs_share_adds_the_noise_of_its_seeds():
    """Differences of 1 and 2 (seeds) in run 1, 2 and 3 in run 2: runs 1.5 and 2.5, seeds 1.5 and 2.5, so twice the variance of a mean of two."""
    tables = [*run("run1", 1, 2), *run("run2", 2, 3)]
    alone = count(tables).loc[(3, "all", "found", 0.8)]
    assert (alone["ci_low"], alone["ci_high"]) == pytest.approx(t_interval(np.array([1.5, 2.5])))
    shared = count([t.assign(feature=t["place"]) for t in tables]).loc[(3, "all", "found", 0.8)]
    half = stats.t.ppf(0.975, 2) * math.sqrt(2 * 0.5 / 2)  # two degrees of freedom (Satterthwaite), each mean's variance .5 / 2
    assert (shared["difference"], shared["ci_low"], shared["ci_high"]) == pytest.approx((2, 2 - half, 2 + half))
    assert shared[NET].tolist() == pytest.approx([2 - 3, -1 - half, -1 + half])  # no random row has a match
    assert (shared["count_low"], shared["count_high"]) == pytest.approx((2 - half, 2 + half)) and math.isnan(shared["p_value"])


def test_p_over_six_runs():
    tables = [t for n in range(1, 7) for t in run(f"run{n}", 1, 1)]
    assert count(tables).loc[(3, "all", "found", 0.8), "p_value"] == 2 / 64
    assert math.isnan(count([t.assign(feature=t["place"]) for t in tables]).loc[(3, "all", "found", 0.8), "p_value"])


def test_a_dictionary_without_living_features():
    """RLHF's seed 2 has none: nothing of it is found, nor is it a loss of all that base has."""
    dead = table("base", [np.nan] * 4, [0.9] * 4, seed=2, random=np.nan)
    found = count([TWO[0], TWO[2], dead])
    for change, values in (("found", [3, 1, 1, 1]), ("lost", [4, 2, 1, 3])):
        row = found.loc[(3, "all", change, 0.8)]
        assert row[["features", "count", "null", "random"]].tolist() == values, change
        assert (row["sae_seeds"], row["featureless"]) == (2, 1) and math.isnan(row["ci_low"])
    assert (found.loc[(3, "all", "moved base", ""), ["features", "featureless"]] == [4, 0]).all()
    none = [table("base", [np.nan] * 4, [0.9] * 4, seed=seed, random=np.nan) for seed in (1, 2)]
    for of in (none, [t[:0] for t in none]):  # RLHF has none at all; neither side has
        found = pd.DataFrame(step4.rows(pd.concat(of), 30, NAMES, [], [("run1", 3, 1), ("run1", 3, 2)])).set_index(
            ["change", "among", "layer", "kept_at"]
        )
        for change in ("found", "lost", "kept"):
            nothing = found.loc[(change, "top 30", "total", "chance")]
            assert nothing[["features", "count", "null", "difference", "ci_low", "ci_high", "count_low", "random"]].isna().all(), change
            assert (nothing["featureless"], nothing["sae_seeds"]) == (2, 2)


def test_a_run_without_living_features_leaves_nothing_to_compare():
    made = [(run, 3, seed) for run in ("run1", "run2") for seed in (1, 2)]
    found = pd.DataFrame(step4.rows(pd.concat(TWO), 30, NAMES, [], made)).set_index(["layer", "among", "change", "kept_at"])
    row = found.loc[(3, "all", "found", 0.8)]
    assert (row["runs"], row["featureless"], row["unit"]) == (2, 2, "tuning run") and row[["count", "difference", "ci_low"]].isna().all()


def test_a_seed_whose_null_has_no_feature_is_left_out():
    """Another seed's dictionary without features is no null in which every feature is new; in a total both counts are of the same layers."""
    dead = table("rlhf", [0.1, 0.1], [np.nan] * 2, layer=5, seed=1)
    found = count([*TWO, dead, table("rlhf", [0.1, 0.1], [0.1, 0.9], layer=5, seed=2)])
    assert found.loc[(5, "all", "found", 0.8)][["features", "count", "null", "featureless"]].tolist() == [2, 2, 1, 1]
    assert found.loc[("total", "all", "found", 0.8)][["features", "count", "null"]].tolist() == [(3 + 5) / 2, (1 + 4) / 2, (1 + 1) / 2]


def run(name: str, *found: int, null=0) -> list[pd.DataFrame]:
    """A run in which of three RLHF features so many are new, a seed each; another seed has all but `null`."""
    tables = []
    for seed, new in enumerate(found, start=1):
        cosines, nulls = ([0.1] * few + [0.9] * (3 - few) for few in (new, null))
        tables += [table("rlhf", cosines, nulls, seed=seed, run=name), table("base", [0.9], [0.9], seed=seed, run=name)]
    return tables


def test_over_the_twins():
    """Runs with 1.5, 3 and 2 new features, a mean over seeds, against twins' 2 - 1, 0 and 2.5: Welch's interval is SciPy's."""
    true = [*run("run1", 1, 2), *run("run2", 3, 3), *run("run3", 2, 2)]
    twins = [[*run("run1", 2, 2, null=1), *run("run2", 0, 0)], run("run1", 2, 3)]
    row = count(true, twins=twins).loc[(3, "all", "found", 0.8)]
    welch = stats.ttest_ind([1.5, 3, 2], [1, 0, 2.5], equal_var=False).confidence_interval()
    assert row[OVER].tolist() == pytest.approx([3.5 / 3, 1, welch.low, welch.high])
    assert row["difference"] == pytest.approx(6.5 / 3) and row["runs"] == 3
    alone = count(true[:4], twins=twins[1:]).loc[(3, "all", "found", 0.8)]
    assert alone[OVER[:2]].tolist() == [2.5, -1] and alone[OVER[2:]].isna().all()


def test_a_twin_of_another_layer_stands_in_the_total_alone():
    twin = [t.assign(layer=5) for t in run("run1", 3, 3)]
    found = count(run("run1", 2, 2), twins=[twin])
    assert math.isnan(found.loc[(3, "all", "found", 0.8), "twin"])
    assert found.loc[("total", "all", "found", 0.8), ["twin", "over_twin"]].tolist() == [3, -1]


def test_moved():
    base, rlhf = [0.1, 0.1, 0.1, 0.2, 0.0], [0.2, 0.199, 0.05, 0.101, 0.3]  # twice; less; half; less than half off; from 0
    tables = [table("base", [1.0] * 5, [1.0] * 5, base=base, rlhf=rlhf, seed=s) for s in (1, 2)]
    found = count([*tables, table("rlhf", [1.0], [1.0], seed=1), table("rlhf", [1.0], [1.0], seed=2)])
    row = found.loc[(3, "all", "moved base", "")]
    assert (row["count"], row["features"]) == (3, 5)
    assert found.loc[(3, "all", "moved rlhf", ""), "count"] == 0
    assert math.isnan(row["null"]) and math.isnan(row["p_value"]) and math.isnan(row["random"])


def test_planted_changes_are_found_and_a_seed_s_noise_is_not():
    """Dictionaries of 20 true directions and a seed's noise; RLHF replaces three of them."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(20, 40))
    tuned = np.vstack([truth[:17], rng.normal(size=(3, 40))])
    ranked, flat = np.ones(20, dtype=bool), {"base": np.ones(20), "rlhf": np.ones(20)}
    noisy = {side: [rows + 0.1 * rng.normal(size=rows.shape) for _ in range(6)] for side, rows in (("base", truth), ("rlhf", tuned))}
    tables = []
    for side, other in (("base", "rlhf"), ("rlhf", "base")):
        for s in range(6):
            own = noisy[side][s]
            matched = match.match(own, own, ranked, ranked)
            others = ((rows, ranked) for rows in (own, noisy[other][s], noisy[side][(s + 1) % 6]))
            random = rng.normal(size=(20, 40))
            tables.append(compare.compare(side, matched, *others, random, flat, flat).assign(layer=3, seed=s, run="run1"))
    found = count(tables)
    for change, expected in (("found", (3, 0, 3)), ("lost", (3, 0, 3)), ("kept", (17, 20, -3))):
        row = found.loc[(3, "all", change, 0.9)]
        assert (row["count"], row["null"], row["difference"]) == expected, change
        assert row["random"] == (0 if change == "kept" else 20), change
    by_chance = found.loc[(3, "all", "found", "chance")]
    assert by_chance["threshold"] > 0.9 and 3 <= by_chance["count"] < 6
