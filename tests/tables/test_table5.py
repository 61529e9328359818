"""Table 5: the right explanation beside the right feature, equally many of both sides."""

import pandas as pd
import pytest

from rewardscope.tables.explained import TOP
from rewardscope.tables.table5 import COLUMNS, rows

NAMES = {"model": "tiny", "reward": "utility", "run": "run1"}


def side(name: str, features: list[int], others: int = 3) -> tuple[list[dict], pd.DataFrame]:
    """Explanations of `features`, best first, and the matches of these and of some that nothing explains."""
    lines = [{"feature": f, "activates_on": f"{name} {f} on", "promotes": f"{name} {f} up", "explainer": "tokens"} for f in features]
    every = [*features, *range(900, 900 + others)]
    matches = pd.DataFrame(
        {
            "place": pd.array(range(1, len(every) + 1), dtype="Int32"),
            "small": every,
            "large": [10 * f for f in every],
            "cosine": [1 - 0.01 * i for i in range(len(every))],
        }
    )
    return lines, matches


def place(base: list[int], rlhf: list[int]) -> tuple[dict, dict[str, pd.DataFrame]]:
    (base_lines, base_matches), (rlhf_lines, rlhf_matches) = side("base", base), side("rlhf", rlhf)
    explained = {"run": "run1", "layer": 3, "seed": 1, "sample": 1, "base": base_lines, "rlhf": rlhf_lines}
    return explained, {"base": base_matches, "rlhf": rlhf_matches}


def test_rows_by_hand():
    explained, features = place([7, 4], [5, 7, 2])
    found = pd.DataFrame(rows(explained, features, NAMES), columns=COLUMNS)
    assert found["side"].tolist() == ["base", "base", "rlhf", "rlhf"]  # two of either side: the base has no third
    assert found["place"].tolist() == [1, 2, 1, 2] and set(found["top_k"]) == {2}
    assert found["feature"].tolist() == [7, 4, 5, 7] and found["large_feature"].tolist() == [70, 40, 50, 70]
    assert found["cosine"].tolist() == pytest.approx([1, 0.99, 1, 0.99])
    assert found["activates_on"].tolist() == ["base 7 on", "base 4 on", "rlhf 5 on", "rlhf 7 on"]
    assert found["promotes"].tolist() == ["base 7 up", "base 4 up", "rlhf 5 up", "rlhf 7 up"]
    assert not found.isna().any().any()
    assert set(found["sae_seed"]) == {1} and set(found["layer"]) == {3} and set(found["run"]) == {"run1"}


def test_why_there_are_no_words():
    explained, features = place([7, 4], [5, 7])
    explained["base"][0] |= {"failure": "cut off", "failure_of_promotes": "refusal"}
    explained["base"][1] |= {"failure": "", "failure_of_promotes": "refusal"}
    explained["rlhf"][0] |= {"failure": "cut off", "failure_of_promotes": ""}
    assert [row["failure"] for row in rows(explained, features, NAMES)] == ["cut off; promotes: refusal", "promotes: refusal", "cut off", ""]


def test_ten_a_layer():
    explained, features = place(list(range(30, 0, -1)), list(range(30)))
    found = rows(explained, features, NAMES)
    assert TOP == 10 and len(found) == 20
    assert [row["feature"] for row in found] == [*range(30, 20, -1), *range(10)]


def test_no_living_feature():
    explained, features = place([], [1])
    found = pd.DataFrame(rows(explained, features, NAMES), columns=COLUMNS)
    assert found[["run", "side", "layer", "sae_seed", "top_k"]].values.tolist() == [["run1", "base", 3, 1, 0], ["run1", "rlhf", 3, 1, 0]]
    assert found[["place", "feature", "cosine", "activates_on", "explainer"]].isna().all(axis=None)


def test_an_explanation_without_its_feature_is_an_error():
    explained, features = place([7], [5])
    explained["base"][0]["feature"] = 8
    with pytest.raises(KeyError):
        rows(explained, features, NAMES)
