"""Section 6.2: a point per RLHF run, equal to the rows of Tables 3 and 4 of that run alone."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_table3 import TABLE, VOCABULARY, line, place

from rewardscope.errors import UserError
from rewardscope.seeds import derive
from rewardscope.stats import group_interval
from rewardscope.tables import section6_2, table3, table4

PLACES = [
    place([line("film", "good")], [line("good", "great great")], seed=1),
    place([line("fine", "good")], [line("great", "great")], seed=2),
]
COMPLETIONS = tuple(
    pd.DataFrame(
        {"document": [1, 2], "completion": texts, "utilities": values, "reward": [0.1, 0.2], "reward_alone": [0.0, 0.1], "own_reward": [0.1, 0.2]}
    )
    for texts, values in ((["good", "film"], [[2.0], []]), (["great", "bad bad"], [[4.0], [-3.0, -3.0]]))
)


def test_point():
    found = section6_2.point(PLACES, COMPLETIONS, TABLE, VOCABULARY, 30, 200, 3, {"model": "tiny", "kl": 0.1})
    assert found["model"] == "tiny" and found["sae_seeds"] == 2
    assert found["activates_on_difference"] == 2.5  # seeds: 2 - 0, 4 - 1
    assert found["promotes_difference"] == 4  # seeds: 8 - 2, 4 - 2
    assert found["completions_difference"] == 8  # 4 + 6 - 2
    three = table3.row(table3.measured(PLACES, TABLE, 30, VOCABULARY), PLACES, 30, {})
    four = table4.row([COMPLETIONS], TABLE, 200, 3, {}, [])
    for end in ("ci_low", "ci_high"):
        assert found[f"activates_on_{end}"] == three[end] and found[f"promotes_{end}"] == three[f"promotes_{end}"]
        assert found[f"completions_{end}"] == four[end]


def points(count: int) -> pd.DataFrame:
    """`activates_on` falls with the completions' utility but for one point, `promotes` rises with it."""
    n = np.arange(count, dtype=float)
    names = {"model": "tiny", "reward": np.where(n < 3, "weak", "strong"), "run": [f"run{i // 2}" for i in range(count)]}
    frame = pd.DataFrame({**names, "kl": n})
    falling = np.concatenate([[-1.0, 0.0], -n[2:]])[:count]
    for name, values, below, above in (("completions", n, 1, 2), ("activates_on", falling, 3, 4), ("promotes", n**2, 5, 6)):
        frame = frame.assign(**{f"{name}_difference": values, f"{name}_ci_low": values - below, f"{name}_ci_high": values + above})
    return frame


def test_correlations():
    """Ten points in five groups of two."""
    frame = points(10)
    found = section6_2.correlations(frame, 200, 1).set_index(["text", "statistic"])
    assert found.loc[("promotes", "spearman"), "value"] == found.loc[("promotes", "kendall"), "value"] == 1
    x, y = frame["completions_difference"], frame["activates_on_difference"]
    assert found.loc[("activates_on", "spearman"), "value"] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.loc[("activates_on", "kendall"), "value"] == pytest.approx(stats.kendalltau(x, y).statistic)
    low, high = found.loc[("activates_on", "spearman"), ["ci_low", "ci_high"]]
    assert -1 <= low < found.loc[("activates_on", "spearman"), "value"] <= high < 0
    # within: the first group rises, the four others fall
    assert found.loc[("activates_on", "spearman"), "within"] == pytest.approx((1 - 4) / 5) and found.loc[("promotes", "kendall"), "within"] == 1
    assert found[["points", "groups", "models", "rewards", "runs"]].values.tolist() == [[10, 5, 1, 2, 5]] * 4


def test_what_groups_have_in_common_is_not_counted_once_a_point():
    """The same group of points three times over is one group, and five such groups are no more than five."""
    frame = points(10)
    wide, narrow = (section6_2.correlations(f, 200, 1).set_index(["text", "statistic"]) for f in (frame, pd.concat([frame] * 3)))
    ends = ["ci_low", "ci_high"]
    assert narrow.loc[("activates_on", "spearman"), ends].tolist() == pytest.approx(wide.loc[("activates_on", "spearman"), ends].tolist(), abs=0.05)


def test_what_a_group_has_in_common_is_no_correlation_within():
    """Three groups of three rise from one to the next, and fall inside: of 36 pairs 9 are inside."""
    order = np.array([2, 1, 0, 5, 4, 3, 8, 7, 6.0])
    frame = points(9).assign(run=[f"run{i // 3}" for i in range(9)], promotes_difference=order, activates_on_difference=[*order[:6], 6, 7, 8])
    found = section6_2.correlations(frame, 50, 1).set_index(["text", "statistic"])
    assert found.loc[("promotes", "kendall"), ["value", "within"]].tolist() == pytest.approx([(27 - 9) / 36, -1])
    assert found.loc[("activates_on", "kendall"), ["value", "within"]].tolist() == pytest.approx([(30 - 6) / 36, -1 / 3])
    flat = frame.assign(activates_on_difference=[1.0, 1, 1, 2, 1, 0, 5, 5, 5])  # two groups are constant: the other speaks
    assert section6_2.correlations(flat, 50, 1)["within"][0] == pytest.approx(-1)


def test_a_group_is_a_run_of_a_model():
    """Its rewards share it. Two runs of three models are six groups, of two models four: too few for an interval."""
    many = points(12).assign(model=["a", "a", "b", "b", "c", "c"] * 2, run=["run1", "run2"] * 6)
    found, groups = section6_2.correlations(many, 200, 1), np.array([0, 1, 2, 3, 4, 5] * 2)
    x = many["completions_difference"].to_numpy()
    for _, own in found.iterrows():
        y = many[f"{own['text']}_difference"].to_numpy()
        statistic, seed = section6_2.STATISTICS[own["statistic"]], derive(1, "section6.2", own["text"], own["statistic"])
        assert own[["ci_low", "ci_high"]].tolist() == pytest.approx(group_interval(statistic, x, y, groups, 5, 200, seed), abs=0, nan_ok=True)
        assert (own["groups"], own["models"], own["runs"]) == (6, 3, 2)
    few = section6_2.correlations(many[many["model"] != "c"], 200, 1)
    assert few[["ci_low", "ci_high"]].isna().all(axis=None) and (few["groups"] == 4).all()


def test_few_groups_have_no_interval():
    found = section6_2.correlations(points(8), 200, 1)  # four groups
    assert found[["ci_low", "ci_high"]].isna().all(axis=None) and found["value"].notna().all()
    one = section6_2.correlations(points(1), 200, 1)
    assert one[["value", "ci_low", "within"]].isna().all(axis=None) and (one["groups"] == 1).all()


def test_a_run_without_features_is_no_point():
    frame = points(12)
    frame.loc[[3, 7], "activates_on_difference"] = np.nan
    found, fewer = section6_2.correlations(frame, 200, 1), section6_2.correlations(frame.drop([3, 7]), 200, 1)
    own = found["text"] == "activates_on"
    pd.testing.assert_frame_equal(found[own], fewer[own])
    assert found["points"].tolist() == [10, 10, 12, 12] and found["value"].notna().all()
    none = section6_2.correlations(frame.assign(promotes_difference=np.nan), 200, 1)
    assert none[none["text"] == "promotes"][["value", "ci_low", "within"]].isna().all(axis=None) and none["points"].tolist()[2:] == [0, 0]


def test_without_a_run_there_is_nothing_to_make():
    with pytest.raises(
        UserError, match="^section 6.2 compares tuning runs by a word table, and no reward of pairs has one; there is nothing to make$"
    ):
        section6_2.correlations(pd.DataFrame([]), 200, 1)


def test_figure():
    frame = points(10)
    figure = section6_2.draw(frame, section6_2.correlations(frame, 200, 1))
    assert [axes.get_title().split(",")[0] for axes in figure.axes] == ["activates_on", "promotes"]
    assert figure.axes[1].get_title() == "promotes, runs: 10\nSpearman 1.00, no interval: 5 independent groups that say the same"
    shown = [container.lines[0].get_xydata() for container in figure.axes[1].containers]
    assert np.concatenate(shown).tolist() == [[i, i**2] for i in range(10)]
    across, upright = (np.concatenate([container.lines[2][i].get_segments() for container in figure.axes[1].containers]) for i in (0, 1))
    assert across.tolist() == [[[i - 1, i**2], [i + 2, i**2]] for i in range(10)]  # the intervals
    assert upright.tolist() == [[[i, i**2 - 5], [i, i**2 + 6]] for i in range(10)]
    few = section6_2.draw(points(6), section6_2.correlations(points(6), 200, 1))
    assert few.axes[1].get_title() == "promotes, runs: 6\nSpearman 1.00, no interval: 3 independent groups"
    alone = section6_2.draw(points(1), section6_2.correlations(points(1), 200, 1))
    assert alone.axes[0].get_title() == "activates_on, runs: 1\ntoo few or equal values for a correlation"
