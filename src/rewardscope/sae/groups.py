"""A feature over SAE seeds: which features of a side's dictionaries are one direction, and how near the other side's dictionaries come to it.

A dictionary has features that another seed of the same activations does not find. What one seed lacks, another may have: a
feature is missing on the other side only where all of its dictionaries lack it. NumPy only.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from rewardscope.sae.compare import nearest
from rewardscope.sae.match import cosines

SAME = 0.8
"""Least cosine of two features that are one: nearly two thirds of the squared length of either (0.64) lie along the other. One of step 4's fixed
thresholds, the same at every layer; its threshold `chance`, which 95 % of features reach in another seed, would join most of them."""
TYPES = dict.fromkeys(["run", "nearest_run"], "str") | dict.fromkeys(["cosine", "own_cosine", "group_cosine", "group_own_cosine"], "float64")
TYPES |= dict.fromkeys(["seed", "feature", "group", "seeds", "of_seeds", "runs", "of_runs", "nearest_seed", "nearest"], "int64")
COLUMNS = list(TYPES)


class Dictionary(NamedTuple):
    """The rows of one SAE, and the places that it stands for: a base that runs share stands for one of each."""

    rows: Float[np.ndarray, "F d"]
    ranked: Bool[np.ndarray, "F"]
    places: list[tuple[str, int]]
    """run and SAE seed"""


def groups(dictionaries: list[Dictionary]) -> list[tuple[tuple[int, int], ...]]:
    """Ranked features that are one: a group has at most one (dictionary, feature) of each dictionary, and every two have a cosine of `SAME` or more.

    Candidates are one-to-one (Hungarian) partners of two dictionaries; the nearest are joined first, as long as that holds of all members.
    """
    group = {(d, int(f)): [(d, int(f))] for d, dictionary in enumerate(dictionaries) for f in np.flatnonzero(dictionary.ranked)}
    partners = []
    for a, b in combinations(range(len(dictionaries)), 2):
        first, second = (np.flatnonzero(dictionaries[d].ranked) for d in (a, b))
        similarity = cosines(dictionaries[a].rows[first], dictionaries[b].rows[second])
        for i, j in zip(*linear_sum_assignment(similarity, maximize=True), strict=True):
            if similarity[i, j] >= SAME:
                partners.append((-float(similarity[i, j]), (a, int(first[i])), (b, int(second[j]))))
    for _, one, two in sorted(partners):
        ours, theirs = group[one], group[two]
        if {d for d, _ in ours} & {d for d, _ in theirs}:
            continue
        rows = (np.stack([dictionaries[d].rows[f] for d, f in members]) for members in (ours, theirs))
        if cosines(*rows).min() >= SAME:
            ours += theirs
            group.update(dict.fromkeys(theirs, ours))
    return sorted({tuple(sorted(members)) for members in group.values()})


def largest(rows: Float[np.ndarray, "n d"], others: list[Dictionary]) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """For each row which of `others`, which ranked feature of it, has the largest cosine, and that cosine; -1, -1 and nan where none is ranked."""
    which, feature, cosine = np.full(len(rows), -1), np.full(len(rows), -1), np.full(len(rows), np.nan)
    for d, other in enumerate(others):
        index, near = nearest(rows, other.rows, other.ranked)
        nearer = ~np.isnan(near) & ~(near <= cosine)
        which[nearer], feature[nearer], cosine[nearer] = d, index[nearer], near[nearer]
    return which, feature, cosine


def table(dictionaries: list[Dictionary], other: list[Dictionary]) -> pd.DataFrame:
    """A row per ranked feature of one side's dictionaries of a layer (`dictionaries`), and per place that its dictionary stands for.

    `run, seed, feature`; `group`, its number, with members in `seeds` of `of_seeds` dictionaries and in `runs` of `of_runs` runs; `nearest` of
    `nearest_run, nearest_seed` and `cosine`: the largest with a ranked feature of any dictionary of the `other` side (-1 and nan where none
    is ranked; of places the own run's, or the first); `own_cosine`: the largest with any other dictionary of the own side;
    `group_cosine`, `group_own_cosine`: the largest of the group's members.
    """
    frames = []
    for d, dictionary in enumerate(dictionaries):
        features = np.flatnonzero(dictionary.ranked)
        which, near, cosine = largest(dictionary.rows[features], other)
        *_, beside = largest(dictionary.rows[features], [*dictionaries[:d], *dictionaries[d + 1 :]])
        columns = {"own": d, "feature": features, "other": which, "nearest": near, "cosine": cosine, "own_cosine": beside}
        frames.append(pd.DataFrame(columns))
    rows = pd.concat(frames, ignore_index=True)
    members = groups(dictionaries)
    numbers = {member: number for number, group in enumerate(members) for member in group}
    rows["group"] = [numbers[member] for member in zip(rows["own"], rows["feature"], strict=True)]
    for name in ("cosine", "own_cosine"):
        rows[f"group_{name}"] = rows.groupby("group")[name].transform("max")

    def runs(dictionaries: list[Dictionary]) -> int:
        """How many, of a dictionary that stands for several runs one."""
        return len({dictionary.places[0][0] for dictionary in dictionaries})

    rows["seeds"], rows["of_seeds"] = [len(members[number]) for number in rows["group"]], len(dictionaries)
    rows["runs"], rows["of_runs"] = [runs([dictionaries[d] for d, _ in members[number]]) for number in rows["group"]], runs(dictionaries)
    placed = []
    for row in rows.to_dict("records"):
        for run, seed in dictionaries[row["own"]].places:
            places = dict(other[row["other"]].places) if row["other"] >= 0 else {}
            near = run if run in places else next(iter(places), "")
            placed.append({"run": run, "seed": seed, **row, "nearest_run": near, "nearest_seed": places.get(near, -1)})
    return pd.DataFrame(placed, columns=COLUMNS).astype(TYPES)
