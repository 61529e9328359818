"""Table 4 on completions small enough to add up by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from rewardscope.rewards.utility import utilities, utility
from rewardscope.stats import bootstrap_interval
from rewardscope.tables.table4 import COLUMNS, row

TABLE = {"good": 2.0, "bad": -3.0, "great": 4.0, "fine": 1.0}
NAMES = {"model": "tiny", "reward": "utility"}


def completions(*texts: str, first: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "document": range(first, first + len(texts)),
            "completion": texts,
            "utilities": [[value for _, value in utilities(text, TABLE)] for text in texts],
            "reward": [utility("fine " + text, TABLE) for text in texts],  # `both`: the prefix is "fine"
        }
    )


def test_by_hand():
    base = completions("good film", "bad good", "film")
    rlhf = completions("great great", "bad bad fine", "good")
    found = row([(base, rlhf)], TABLE, 2000, 7, NAMES)
    size = np.array([8.0, 7.0, 2.0]) - np.array([2.0, 5.0, 0.0])
    gain = (np.array([9.0, -4.0, 3.0]) - np.array([3.0, 0.0, 1.0])) / 5
    low, high = bootstrap_interval(size, 2000, 7)
    gain_low, gain_high = bootstrap_interval(gain, 2000, 7)
    expected = {
        **NAMES, "m_base": 7, "m_rlhf": 17, "difference": 10, "ci_low": 3 * low, "ci_high": 3 * high, "samples": 3,
        "reward_base": 4 / 15, "reward_rlhf": 8 / 15, "reward_difference": 4 / 15,
        "reward_ci_low": gain_low, "reward_ci_high": gain_high, "unit": "prompt", "runs": 1,
        "m_per_text_base": 7 / 3, "m_per_text_rlhf": 17 / 3,
        "sum_u_base": 2 + 1 + 0, "sum_u_rlhf": 8 + 5 + 2,
        "valence_base": 2 + 0.5, "valence_rlhf": 4 + 5 / 3 + 2, "words_base": 3, "words_rlhf": 6,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert math.isnan(found["p_value"])  # three prompts
    empty = {"top_k", "explainer", "sae_seeds"}  # these columns are of Table 3
    assert all(found[key] is pd.NA for key in empty)
    assert found.keys() == expected.keys() | empty | {"p_value"}
    assert list(found)[: len(COLUMNS)] == COLUMNS
    assert 6 <= low * 3 < 10 < high * 3 <= 18  # an interval of the sum: between 3 times the least and 3 times the largest


def test_intervals_are_paired():
    """The same gain on every prompt has an interval of no width, however much prompts differ."""
    base = completions("film", "great", "great great", "bad", "film film", "good")
    rlhf = completions("good", "great good", "great great good", "bad good", "film film good", "good good")
    found = row([(base, rlhf)], TABLE, 500, 1, NAMES)
    assert (found["difference"], found["ci_low"], found["ci_high"]) == pytest.approx((12, 12, 12))
    assert (found["reward_difference"], found["reward_ci_low"], found["reward_ci_high"]) == pytest.approx((0.4, 0.4, 0.4))
    assert found["p_value"] == 2 / 64


def test_runs_are_averaged_inside_a_prompt():
    base = completions("film", "film")
    runs = [(base, completions("good", "great")), (base, completions("great", "bad great"))]
    found = row(runs, TABLE, 3000, 3, NAMES)
    assert (found["m_base"], found["m_rlhf"], found["samples"], found["runs"]) == (0, 3 + 5.5, 2, 2)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((6, 11))  # prompts 3 and 5.5: both 3s to both 5.5s
    assert found["words_rlhf"] == (2 + 3) / 2
    assert found["sum_u_rlhf"] == ((2 + 4) + (4 + 1)) / 2
    assert found["unit"] == "prompt"


def test_a_reward_without_words_has_its_reward_alone():
    base, rlhf = (completions(*texts).assign(utilities=[[], []]) for texts in (("good film", "bad"), ("great", "good good")))
    found = row([(base, rlhf)], None, 500, 1, NAMES)
    counted = row([(base, rlhf)], TABLE, 500, 1, NAMES)
    assert list(found) == list(counted)
    known = {key for key, value in found.items() if value is not pd.NA}
    assert known == {*NAMES, "samples", "unit", "runs"} | {key for key in counted if key.startswith("reward_")}
    assert all(found[key] == counted[key] for key in known)
    assert (found["reward_base"], found["reward_difference"]) == pytest.approx((0.1, 0.9))


def test_after_a_round_trip(tmp_path):
    """Parquet gives lists back as arrays."""
    frames = []
    for name, texts in (("base", ("good film", "film")), ("rlhf", ("great", "bad"))):
        completions(*texts).to_parquet(tmp_path / name)
        frames.append(pd.read_parquet(tmp_path / name))
    found = row([tuple(frames)], TABLE, 100, 1, NAMES)
    assert (found["m_base"], found["m_rlhf"]) == (2, 7)


@pytest.mark.parametrize("other", [completions("good", "bad", first=41), completions("good")])
def test_other_prompts_are_refused(other):
    with pytest.raises(ValueError, match="different prompts"):
        row([(completions("good", "bad"), other)], TABLE, 10, 1, NAMES)
