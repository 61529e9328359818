"""Table 4 on completions small enough to add up by hand."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rewardscope.rewards.utility import utilities, utility
from rewardscope.stats import bootstrap_interval
from rewardscope.tables.explained import COLUMNS
from rewardscope.tables.table4 import ALWAYS, last_kl, row

TABLE = {"good": 2.0, "bad": -3.0, "great": 4.0, "fine": 1.0}
NAMES = {"model": "tiny", "reward": "utility"}
TWIN = ("twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high")


def completions(*texts: str, first: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "document": range(first, first + len(texts)),
            "completion": texts,
            "utilities": [[value for _, value in utilities(text, TABLE)] for text in texts],
            "reward": [utility("fine " + text, TABLE) for text in texts],  # `both`: the prefix is "fine"
            "reward_alone": [utility(text, TABLE) for text in texts],
            "own_reward": [float(len(text)) for text in texts],  # of a twin that rewards letters
        }
    )


def test_kl_is_the_last_update_s_over_runs():
    trainings = [pd.DataFrame({"kl": values}) for values in ([0.0, 9.0, 4.0], [0.0, 7.0])]
    assert last_kl(trainings) == 5.5 and math.isnan(last_kl([]))
    found = row([(completions("good"), completions("bad"))], None, 10, 1, NAMES, [], 5.5, 3.25)
    assert (found["kl"], found["twin_kl"]) == (5.5, 3.25)  # known without a word table too


def test_by_hand():
    base = completions("good film", "bad good", "film")
    rlhf = completions("great great", "bad bad fine", "good")
    found = row([(base, rlhf)], TABLE, 2000, 7, NAMES, [])
    size = np.array([8.0, 7.0, 2.0]) - np.array([2.0, 5.0, 0.0])
    gain = (np.array([9.0, -4.0, 3.0]) - np.array([3.0, 0.0, 1.0])) / 5
    low, high = bootstrap_interval(size, 2000, 7)
    gain_low, gain_high = bootstrap_interval(gain, 2000, 7)
    letters = np.array([2.0, 4.0, 0.0])
    own_low, own_high = bootstrap_interval(letters, 2000, 7)
    expected = {
        **NAMES, "m_base": 7, "m_rlhf": 17, "difference": 10, "ci_low": 3 * low, "ci_high": 3 * high, "samples": 3,
        "reward_base": 4 / 15, "reward_rlhf": 8 / 15, "reward_difference": 4 / 15,
        "reward_ci_low": gain_low, "reward_ci_high": gain_high, "unit": "prompt", "runs": 1, "twin_runs": 0, "same": 0,
        "reward_alone_base": 1 / 15, "reward_alone_rlhf": 5 / 15, "reward_alone_difference": 4 / 15,
        "reward_alone_ci_low": gain_low, "reward_alone_ci_high": gain_high,
        "own_reward_base": 21 / 3, "own_reward_rlhf": 27 / 3, "own_reward_difference": 2, "own_reward_ci_low": own_low, "own_reward_ci_high": own_high,
        "m_per_text_base": 7 / 3, "m_per_text_rlhf": 17 / 3,
        "sum_u_base": 2 + 1 + 0, "sum_u_rlhf": 8 + 5 + 2,
        "valence_base": 2 + 0.5, "valence_rlhf": 4 + 5 / 3 + 2, "words_base": 3, "words_rlhf": 6,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    unknown = {"kl", "twin_kl"} | {
        f"{name}{key}" for name in ("", "reward_", "reward_alone_", "own_reward_") for key in ("p_value", *TWIN)
    }  # three prompts, no twin
    assert all(math.isnan(found[key]) for key in unknown)
    empty = {"top_k", "explainer", "sae_seeds"}  # these columns are of Table 3
    assert all(found[key] is pd.NA for key in empty)
    assert found.keys() == expected.keys() | empty | unknown
    first = [*COLUMNS, "reward_base", "reward_rlhf", "reward_difference", "reward_ci_low", "reward_ci_high"]
    assert list(found)[: len(first)] == first
    assert 6 <= low * 3 < 10 < high * 3 <= 18  # an interval of the sum: between 3 times the least and 3 times the largest


def test_intervals_are_paired():
    """Nearly the same gain on every prompt has a narrow interval, however much prompts differ; the very same is no certainty."""
    base = completions("film", "great", "great great", "bad", "film film", "good")
    rlhf = completions("good", "great good", "great great good", "bad good", "film film good", "good good")
    found = row([(base, rlhf)], TABLE, 500, 1, NAMES, [])
    assert (found["difference"], found["reward_difference"], found["p_value"]) == pytest.approx((12, 0.4, 2 / 64))
    assert all(math.isnan(found[f"{of}ci_{end}"]) for of in ("", "reward_") for end in ("low", "high"))
    near = row([(base, completions(*rlhf["completion"][:5], "good good fine"))], TABLE, 500, 1, NAMES, [])
    assert 12 <= near["ci_low"] < near["difference"] == 13 < near["ci_high"] <= 6 * 2.7


def test_a_model_that_writes_what_its_base_writes():
    base, other = completions("film", "great", "bad"), completions("film", "great", "good")
    found = row([(base, base)], TABLE, 500, 1, NAMES, [])
    assert (found["same"], found["reward_difference"], found["difference"]) == (1, 0, 0)
    assert all(math.isnan(found[f"{of}ci_{end}"]) for of in ("", "reward_", "own_reward_") for end in ("low", "high"))
    assert row([(base, base), (base, other)], TABLE, 500, 1, NAMES, [])["same"] == pytest.approx(5 / 6)


RUNS = [(completions("film", "film"), completions(*texts)) for texts in (("good", "great"), ("great", "bad great"), ("film", "fine"))]
SUMS = [6.0, 11.0, 1.0]  # |U|: 2 + 4, 4 + 7, 0 + 1
ALONE = [6 / 10, 5 / 10, 1 / 10]  # U / 5, a mean of two prompts: 2 + 4, 4 + 1, 0 + 1


def test_several_runs_are_the_replicates():
    """Student's interval over the runs; prompts are not resampled."""
    found = row(RUNS, TABLE, 3000, 3, NAMES, [])
    assert (found["m_base"], found["m_rlhf"], found["samples"], found["runs"], found["unit"]) == (0, 6, 2, 3, "tuning run")
    for name, values in (("", SUMS), ("reward_", ALONE), ("reward_alone_", ALONE)):
        student = stats.ttest_1samp(values, 0).confidence_interval()
        columns = [found[f"{name}{key}"] for key in ("difference", "ci_low", "ci_high")]
        assert columns == pytest.approx([np.mean(values), student.low, student.high]), name
        assert math.isnan(found[f"{name}p_value"])
    assert found["words_rlhf"] == (2 + 3 + 1) / 3
    assert found["sum_u_rlhf"] == ((2 + 4) + (4 + 1) + 1) / 3


def test_an_exact_p_from_six_runs():
    assert math.isnan(row([*RUNS, *RUNS[:2]], TABLE, 100, 3, NAMES, [])["p_value"])
    found = row([*RUNS, *RUNS], TABLE, 100, 3, NAMES, [])
    assert (found["p_value"], found["reward_p_value"], found["runs"]) == (2 / 64, 2 / 64, 6)


def test_over_the_twins():
    """SciPy's Welch interval of the true runs' differences against the twins'."""
    twins = [(completions("film", "good"), completions(*texts)) for texts in (("fine", "good"), ("bad", "good good"))]
    found = row(RUNS, TABLE, 100, 3, NAMES, twins)
    for name, true, twin in (("", SUMS, [1, 5]), ("reward_alone_", ALONE, [1 / 10, -1 / 10])):
        welch = stats.ttest_ind(true, twin, equal_var=False).confidence_interval()
        columns = [found[f"{name}{key}"] for key in ("twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high")]
        assert columns == pytest.approx([np.mean(twin), np.mean(true) - np.mean(twin), welch.low, welch.high]), name
    assert math.isnan(found["own_reward_over_twin"])  # two rewards of two kinds
    without = row(RUNS, TABLE, 100, 3, NAMES, [])
    assert (found["twin_runs"], found["runs"], without["twin_runs"]) == (2, 3, 0)
    assert all(found[key] == without[key] for key in ("m_rlhf", "difference", "ci_low", "reward_alone_difference", "own_reward_ci_high"))
    assert all(math.isnan(without[key]) for key in without if "twin" in key and key != "twin_runs")


def test_one_run_over_one_twin_has_no_interval():
    found = row(RUNS[1:2], TABLE, 100, 3, NAMES, [RUNS[2]])
    assert (found["twin"], found["over_twin"], found["twin_runs"], found["unit"]) == (1, 10, 1, "prompt")
    assert math.isnan(found["over_twin_ci_low"]) and not math.isnan(found["ci_low"])


def test_a_reward_without_words_has_its_reward_alone():
    base, rlhf = (completions(*texts).assign(utilities=[[], []]) for texts in (("good film", "bad"), ("great", "good good")))
    twins = [(base, base), (base, rlhf)]
    found = row([(base, rlhf)], None, 500, 1, NAMES, twins)
    counted = row([(base, rlhf)], TABLE, 500, 1, NAMES, twins)
    assert list(found) == list(counted)
    known = {key for key, value in found.items() if value is not pd.NA}
    assert known == {*NAMES, *ALWAYS} | {key for key in counted if key.startswith(("reward_", "own_reward_"))}
    assert {"twin_runs", "reward_over_twin", "own_reward_twin"} < known
    assert {key: found[key] for key in known} == pytest.approx({key: counted[key] for key in known}, nan_ok=True)
    assert (found["reward_base"], found["reward_difference"]) == pytest.approx((0.1, 0.9))


@pytest.mark.parametrize("runs", [1, 2])
def test_without_a_reward_only_what_is_counted_in_texts_is_known(runs):
    """Two checkpoints alone: no word table, and completions whose rewards are nan."""
    nothing = {"utilities": [[], []], **dict.fromkeys(("reward", "reward_alone", "own_reward"), np.nan)}
    base, rlhf = (completions(*texts).assign(**nothing) for texts in (("good film", "bad"), ("great", "bad")))
    with warnings.catch_warnings(action="error"):  # no interval is asked for
        found = row([(base, rlhf)] * runs, None, 500, 1, NAMES, [])
    known = {key: value for key, value in found.items() if pd.notna(value)}
    assert known == {**NAMES, "samples": 2, "unit": "prompt" if runs == 1 else "tuning run", "runs": runs, "twin_runs": 0, "same": 0.5}
    assert list(found) == list(row([(base, rlhf)], TABLE, 500, 1, NAMES, []))


def test_after_a_round_trip(tmp_path):
    """Parquet gives lists back as arrays."""
    frames = []
    for name, texts in (("base", ("good film", "film")), ("rlhf", ("great", "bad"))):
        completions(*texts).to_parquet(tmp_path / name)
        frames.append(pd.read_parquet(tmp_path / name))
    found = row([tuple(frames)], TABLE, 100, 1, NAMES, [])
    assert (found["m_base"], found["m_rlhf"]) == (2, 7)


@pytest.mark.parametrize("other", [completions("good", "bad", first=41), completions("good")])
def test_other_prompts_are_refused(other):
    with pytest.raises(ValueError, match="different prompts"):
        row([(completions("good", "bad"), other)], TABLE, 10, 1, NAMES, [])
