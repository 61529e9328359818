"""Features over SAE seeds: hand-computed groups and cosines, on rows of two and three numbers."""

import numpy as np
import pandas as pd
import pytest

from rewardscope.sae import groups


def dictionary(*degrees: float, ranked=None, places=(("run1", 1),)) -> groups.Dictionary:
    """Rows in the plane at these angles, of lengths that do not matter."""
    angles = np.radians(degrees)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.arange(1, len(degrees) + 1)[:, None]
    return groups.Dictionary(rows, np.ones(len(degrees), dtype=bool) if ranked is None else np.array(ranked), list(places))


def test_partners_of_every_two_seeds_are_one():
    """cos 36.9 degrees is .8: 0, 20 and 30 are one, 90 and 100 as well; 160 of one seed alone."""
    assert groups.groups([dictionary(0, 90), dictionary(100, 20), dictionary(160, 30)]) == [((0, 0), (1, 1), (2, 1)), ((0, 1), (1, 0)), ((2, 0),)]


def test_a_chain_is_not_one_thing():
    """30 is near 0 and near 60, these not near one another (.5): the nearer two are joined, the third stays alone."""
    assert groups.groups([dictionary(0), dictionary(31), dictionary(60)]) == [((0, 0),), ((1, 0), (2, 0))]


def test_a_group_has_one_feature_of_a_seed():
    """10 and 12 of one seed are both near 11: one is its partner. Through a third seed the other would come in."""
    assert groups.groups([dictionary(10, 13), dictionary(11)]) == [((0, 0), (1, 0)), ((0, 1),)]
    assert groups.groups([dictionary(10, 13), dictionary(11), dictionary(13)]) == [((0, 0), (1, 0)), ((0, 1), (2, 0))]


def test_what_hardly_fires_is_in_no_group():
    assert groups.groups([dictionary(0, 90, ranked=[True, False]), dictionary(90, 1)]) == [((0, 0), (1, 1)), ((1, 0),)]
    assert groups.groups([dictionary(0, ranked=[False])]) == []


def test_the_threshold_is_included():
    rows = [groups.Dictionary(np.array([row]), np.array([True]), [("run1", 1)]) for row in ([1.0, 0.0], [0.8, 0.6], [0.79, 0.62])]
    assert groups.groups([rows[0], rows[1]]) == [((0, 0), (1, 0))]
    assert groups.groups([rows[0], rows[2]]) == [((0, 0),), ((1, 0),)]


def test_largest_is_over_all_dictionaries():
    which, feature, cosine = groups.largest(dictionary(0, 90).rows, [dictionary(60, 45), dictionary(200, 150, 89, ranked=[True, True, False])])
    assert (which.tolist(), feature.tolist()) == ([0, 0], [1, 0]) and cosine.tolist() == pytest.approx(np.cos(np.radians([45, 30])).tolist())
    which, feature, cosine = groups.largest(dictionary(0, 90).rows, [dictionary(60, ranked=[False])])
    assert which.tolist() == feature.tolist() == [-1, -1] and np.isnan(cosine).all()


def cos(degrees: float) -> float:
    return pytest.approx(np.cos(np.radians(degrees)))


def test_a_feature_that_one_seed_of_the_other_side_lacks():
    """By hand: tuned 0 and 10 are one; base's seed 1 has 80 alone, its seed 2 one at 15, 5 degrees from the member at 10."""
    own = [dictionary(0, 170), dictionary(10, places=[("run1", 2)])]
    other = [dictionary(80), dictionary(300, 15, places=[("run1", 2)])]
    first, second, third = groups.table(own, other).to_dict("records")
    assert first == {
        "run": "run1", "nearest_run": "run1", "seed": 1, "feature": 0, "group": 0, "seeds": 2, "of_seeds": 2, "runs": 1, "of_runs": 1,
        "nearest_seed": 2, "nearest": 1, "cosine": cos(15), "own_cosine": cos(10), "group_cosine": cos(5), "group_own_cosine": cos(10),
    }  # fmt: skip
    assert (second["feature"], second["seeds"], second["cosine"], second["own_cosine"]) == (1, 1, cos(90), cos(160))
    assert (third["seed"], third["group"], third["cosine"], third["group_cosine"]) == (2, 0, cos(5), cos(5))


def test_runs_of_one_base():
    """A base that two runs share is one dictionary: a row for each run, and each run's own is its nearest's."""
    base = [dictionary(0, places=[("run1", 1), ("run2", 1)])]
    tuned = [dictionary(5), dictionary(8, places=[("run2", 1)])]
    of_base, of_tuned = groups.table(base, tuned), groups.table(tuned, base)
    assert of_base[["run", "seeds", "of_seeds", "of_runs", "nearest_run"]].to_numpy().tolist() == [
        ["run1", 1, 1, 1, "run1"],
        ["run2", 1, 1, 1, "run1"],
    ]
    assert of_tuned[["run", "seeds", "of_seeds", "runs", "of_runs", "nearest_run"]].to_numpy().tolist() == [
        ["run1", 2, 2, 2, 2, "run1"],
        ["run2", 2, 2, 2, 2, "run2"],
    ]


def test_nothing_to_compare_keeps_its_columns():
    none = dictionary(0, ranked=[False])
    (row,) = groups.table([dictionary(0)], [none]).to_dict("records")
    assert (row["nearest"], row["nearest_run"], row["nearest_seed"], row["of_seeds"]) == (-1, "", -1, 1)
    assert np.isnan([row["cosine"], row["own_cosine"], row["group_cosine"]]).all()  # nor is there another seed
    empty = groups.table([none], [dictionary(0)])
    assert empty.empty and isinstance(empty, pd.DataFrame) and list(empty) == groups.COLUMNS
