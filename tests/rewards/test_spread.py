"""A reward that does not differ between documents."""

import pytest

from rewardscope.rewards import spread

TABLES = "reward_* in tables/table4.csv and tables/probe.csv are empty"


def test_ends():
    values = {"a": 2.0, "b": -1.5, "c": 0.5}
    assert spread.ends(lambda texts: [values[text] for text in texts], list("abc")) == (-1.5, 2.0)
    assert spread.ends(lambda texts: [float(text == "late") for text in texts], ["x"] * 200 + ["late"]) == (0.0, 0.0)  # it is not asked of more


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 1e-300), (-1.0, 1.0)])
def test_one_that_differs(lowest, highest):
    assert spread.doubt("mine", lowest, highest, 9) is None


def test_one_that_does_not():
    said = "the reward mine is the same, 0.25, for each of the first {} train documents: " + TABLES
    assert [spread.doubt("mine", 0.25, 0.25, documents) for documents in (9, 5000)] == [said.format(9), said.format(200)]
    assert spread.doubt("mine", -0.0, 0.0, 9)
