"""Section 6.2: a point per RLHF run, equal to the rows of Tables 3 and 4 of that run alone."""

import math

import numpy as np
import pandas as pd
import pytest
from test_table3 import TABLE, line, place

from rewardscope.tables import section6_2, table3, table4

PLACES = [
    place([line("film", "good")], [line("good", "great great")], seed=1),
    place([line("fine", "good")], [line("great", "great")], seed=2),
]
COMPLETIONS = tuple(
    pd.DataFrame({"document": [1, 2], "completion": texts, "utilities": values, "reward": [0.1, 0.2]})
    for texts, values in ((["good", "film"], [[2.0], []]), (["great", "bad bad"], [[4.0], [-3.0, -3.0]]))
)


def test_point():
    found = section6_2.point(PLACES, COMPLETIONS, TABLE, 30, 200, 3, {"model": "tiny", "kl": 0.1})
    assert found["model"] == "tiny" and found["sae_seeds"] == 2
    assert found["activates_on_difference"] == 2.5  # seeds: 2 - 0, 4 - 1
    assert found["promotes_difference"] == 4  # seeds: 8 - 2, 4 - 2
    assert found["completions_difference"] == 8  # 4 + 6 - 2
    three, four = table3.row(PLACES, TABLE, 30, {}), table4.row([COMPLETIONS], TABLE, 200, 3, {})
    for end in ("ci_low", "ci_high"):
        assert found[f"activates_on_{end}"] == three[end] and found[f"promotes_{end}"] == three[f"promotes_{end}"]
        assert found[f"completions_{end}"] == four[end]


def points(count: int) -> pd.DataFrame:
    """`activates_on` falls with the completions' utility but for one point, `promotes` rises with it."""
    n = np.arange(count, dtype=float)
    names = {"model": "tiny", "reward": np.where(n < 3, "weak", "strong"), "run": [f"run{i % 2}" for i in range(count)]}
    frame = pd.DataFrame({**names, "kl": n})
    falling = np.concatenate([[-1.0, 0.0], -n[2:]])[:count]
    for name, values, below, above in (("completions", n, 1, 2), ("activates_on", falling, 3, 4), ("promotes", n**2, 5, 6)):
        frame = frame.assign(**{f"{name}_difference": values, f"{name}_ci_low": values - below, f"{name}_ci_high": values + above})
    return frame


def test_correlations():
    found = section6_2.correlations(points(6), 500, 1).set_index(["text", "statistic"])
    assert found.loc[("promotes", "spearman"), "value"] == found.loc[("promotes", "kendall"), "value"] == 1
    assert found.loc[("promotes", "kendall"), "p_value"] == pytest.approx(2 / 720)
    assert found.loc[("activates_on", "spearman"), "value"] == pytest.approx(-1 + 6 * 2 / (6 * 35))
    assert found.loc[("activates_on", "kendall"), "value"] == pytest.approx(-13 / 15)
    low, high = found.loc[("activates_on", "spearman"), ["ci_low", "ci_high"]]
    assert -1 <= low < -0.9 < high < 0
    assert found[["points", "models", "rewards", "runs"]].values.tolist() == [[6, 1, 2, 2]] * 4


def test_few_points_have_no_interval():
    found = section6_2.correlations(points(2), 500, 1)
    assert found[["ci_low", "ci_high", "p_value"]].isna().all(axis=None)
    assert math.isnan(section6_2.correlations(points(1), 500, 1)["value"][0])


def test_figure():
    frame = points(6)
    figure = section6_2.draw(frame, section6_2.correlations(frame, 500, 1))
    assert [axes.get_title().split(",")[0] for axes in figure.axes] == ["activates_on", "promotes"]
    assert figure.axes[1].get_title() == "promotes, runs: 6\nSpearman 1.00 (1.00 to 1.00)"
    shown = [container.lines[0].get_xydata() for container in figure.axes[1].containers]
    assert np.concatenate(shown).tolist() == [[i, i**2] for i in range(6)]
    across, upright = (np.concatenate([container.lines[2][i].get_segments() for container in figure.axes[1].containers]) for i in (0, 1))
    assert across.tolist() == [[[i - 1, i**2], [i + 2, i**2]] for i in range(6)]  # the intervals
    assert upright.tolist() == [[[i, i**2 - 5], [i, i**2 + 6]] for i in range(6)]
    alone = section6_2.draw(points(1), section6_2.correlations(points(1), 500, 1))
    assert alone.axes[0].get_title() == "activates_on, runs: 1\ntoo few or equal values for a correlation"
