"""Step 4's counts on frames small enough to count by hand, and on dictionaries with planted changes."""

import math

import numpy as np
import pandas as pd
import pytest

from rewardscope.sae import compare as comparison
from rewardscope.sae import match as features
from rewardscope.stats import t_interval
from rewardscope.tables import step4

NAMES = {"model": "tiny", "reward": "utility"}


def table(side: str, cosines, nulls, layer=3, seed=1, run="run1", base=None, rlhf=None) -> pd.DataFrame:
    """The comparison's rows of one side, seed and layer; places in order; rates equal unless given."""
    rates = {"rate_on_base": base or [0.1] * len(cosines), "rate_on_rlhf": rlhf or [0.1] * len(cosines)}
    places = np.arange(1, len(cosines) + 1)
    columns = {"side": side, "place": places, "cosine": cosines, "null_cosine": nulls, **rates}
    return pd.DataFrame(columns).assign(layer=layer, seed=seed, run=run)


def count(tables: list[pd.DataFrame], top_k=30) -> pd.DataFrame:
    """Rows by (layer, among, change, kept_at)."""
    found = pd.DataFrame(step4.rows(pd.concat(tables, ignore_index=True), top_k, NAMES))
    assert set(found) == set(step4.COLUMNS) and list(found)[:3] == step4.COLUMNS[:3]
    return found.fillna({"kept_at": ""}).set_index(["layer", "among", "change", "kept_at"]).sort_index()


TWO = [  # two seeds of one layer, counted at 0.8
    table("rlhf", [0.9, 0.8, 0.1], [0.9, 0.9, 0.7], seed=1),  # found 1, by seed 1
    table("rlhf", [0.9, 0.2, 0.1], [0.9, 0.9, 0.9], seed=2),  # found 2, by seed 0
    table("base", [0.9, 0.9, 0.2, 0.1], [0.9, 0.1, 0.9, 0.9], seed=1),  # lost 2, by seed 1
    table("base", [0.9, 0.9, 0.9, 0.1], [0.9, 0.9, 0.9, 0.9], seed=2),  # lost 1, by seed 0
]


def test_counts_by_hand():
    found = count(TWO)
    expected = {  # features, count, null: means over the two seeds
        "found": (3, 1.5, 0.5, 1.0),
        "lost": (4, 1.5, 0.5, 1.0),
        "kept": (4, 2.5, 3.5, -1.0),
    }
    for change, (size, many, null, difference) in expected.items():
        row = found.loc[(3, "all", change, 0.8)]
        assert (row["features"], row["count"], row["null"], row["difference"]) == (size, many, null, difference), change
        assert row["threshold"] == 0.8
    differences = np.array([0.0, 2.0])  # of found
    row = found.loc[(3, "all", "found", 0.8)]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(t_interval(differences))
    assert (row["count_low"], row["count_high"]) == pytest.approx(t_interval(np.array([1.0, 2.0])))
    assert math.isnan(row["p_value"])
    assert (row["unit"], row["runs"], row["sae_seeds"]) == ("SAE seed", 1, 2)


def test_top_k_counts_only_the_best_matched():
    found = count(TWO, top_k=2)
    assert found.loc[(3, "top 2", "found", 0.8)][["features", "count", "null"]].tolist() == [2, 0.5, 0]
    assert found.loc[(3, "top 2", "lost", 0.8)][["features", "count", "null"]].tolist() == [2, 0, 0.5]
    assert found.loc[(3, "all", "found", 0.8), "count"] == 1.5


def test_total_sums_layers_inside_a_seed():
    other = [t.assign(layer=5) for t in TWO]
    found = count([*TWO, *other])
    for change in ("found", "lost", "kept"):
        layer, total = found.loc[(3, "all", change, 0.8)], found.loc[("total", "all", change, 0.8)]
        keys = ["features", "count", "null", "difference", "ci_low", "ci_high", "count_low"]
        assert total[keys].tolist() == pytest.approx((2 * layer[keys]).tolist())  # layers are summed before the interval
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


def test_one_seed_has_no_null():
    found = count([t.assign(null_cosine=np.nan) for t in (TWO[0], TWO[2])])
    assert "chance" not in found.index.get_level_values("kept_at")
    row = found.loc[(3, "all", "found", 0.8)]
    assert row["count"] == 1 and all(math.isnan(row[key]) for key in ("null", "difference", "ci_low", "count_low", "p_value"))


def test_p_over_six_seeds():
    tables = [table(side, [0.1, 0.9], [0.9, 0.9], seed=s) for s in range(1, 7) for side in ("base", "rlhf")]
    row = count(tables).loc[(3, "all", "found", 0.8)]
    assert (row["difference"], row["p_value"]) == (1, 2 / 64)
    same = [t.assign(null_cosine=t["cosine"]) for t in tables]
    assert count(same).loc[(3, "all", "found", 0.8), "p_value"] == 1


def test_replicates_of_several_runs_are_the_runs():
    """Run 1 differs by 0 and 2 in its seeds, run 2 by 3 and 3: two replicates, 1 and 3."""
    second = [table(side, [0.1] * 3, [0.9] * 3, seed=s, run="run2") for s in (1, 2) for side in ("base", "rlhf")]
    row = count([*TWO, *second]).loc[(3, "all", "found", 0.8)]
    assert (row["difference"], row["unit"], row["runs"]) == (2, "RLHF run", 2)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(t_interval(np.array([1.0, 3.0])))


def test_a_dictionary_without_living_features():
    """RLHF's seed 2 has none: it counts 0, and base's features of that seed have no match."""
    dead = table("base", [np.nan] * 4, [0.9] * 4, seed=2)
    found = count([TWO[0], TWO[2], dead])
    assert found.loc[(3, "all", "found", 0.8)][["features", "count"]].tolist() == [1.5, 0.5]
    assert found.loc[(3, "all", "lost", 0.8), "count"] == (2 + 4) / 2


def test_moved():
    base, rlhf = [0.1, 0.1, 0.1, 0.2, 0.0], [0.2, 0.199, 0.05, 0.101, 0.3]  # twice; less; half; less than half off; from 0
    tables = [table("base", [1.0] * 5, [1.0] * 5, base=base, rlhf=rlhf, seed=s) for s in (1, 2)]
    found = count([*tables, table("rlhf", [1.0], [1.0], seed=1), table("rlhf", [1.0], [1.0], seed=2)])
    row = found.loc[(3, "all", "moved base", "")]
    assert (row["count"], row["features"]) == (3, 5)
    assert found.loc[(3, "all", "moved rlhf", ""), "count"] == 0
    assert math.isnan(row["null"]) and math.isnan(row["p_value"])


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
            match = features.match(own, own, ranked, ranked)
            others = ((rows, ranked) for rows in (own, noisy[other][s], noisy[side][(s + 1) % 6]))
            tables.append(comparison.compare(side, match, *others, flat, flat).assign(layer=3, seed=s, run="run1"))
    found = count(tables)
    for change, expected in (("found", (3, 0, 3)), ("lost", (3, 0, 3)), ("kept", (17, 20, -3))):
        row = found.loc[(3, "all", change, 0.9)]
        assert (row["count"], row["null"], row["difference"]) == expected, change
    by_chance = found.loc[(3, "all", "found", "chance")]
    assert by_chance["threshold"] > 0.9 and 3 <= by_chance["count"] < 6
