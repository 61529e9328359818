"""Table 3 on explanations small enough to add up by hand."""

import math

import pytest
from explanation_lines import line, place
from scipy import stats

from rewardscope.stats import t_interval
from rewardscope.tables.explained import COLUMNS
from rewardscope.tables.table3 import row

TABLE = {"good": 2.0, "bad": -3.0, "great": 4.0, "fine": 1.0, "made": 0.5, "fires": 100.0}
NAMES = {"model": "tiny", "reward": "utility"}


def test_what_was_paid():
    """Of the explanations that the row is made from, on both sides: the second feature of base is capped away."""
    own = {"explainer": "openai:m", "failure": ""}
    base = [{**line("good"), **own, "cost": 0.5}, {**line("bad"), **own, "cost": 9.0}]
    found = row([place(base, [{**line(""), **own, "cost": 0.25, "failure": "refusal"}])], TABLE, 30, NAMES)
    assert (found["cost"], found["failures"], found["explainer"]) == (0.75, 1, "openai:m")


def test_row_by_hand():
    """One seed, two layers, one sample; the second layer's base has a feature more, which is capped away."""
    places = [
        place([line("good film", "great"), line("bad film")], [line("great good", "bad good"), line("bad bad")], layer=2),
        place([line("fine fine"), line("great great", "great")], [line("good", "fine")], layer=5),
    ]
    found = row(places, TABLE, 30, NAMES)
    base, rlhf = 2 + 3 + 1 + 1, 4 + 2 + 3 + 3 + 2
    expected = {
        **NAMES, "m_base": base, "m_rlhf": rlhf, "difference": rlhf - base,
        "samples": 1, "top_k": 1, "explainer": "tokens", "unit": "SAE seed", "runs": 1, "sae_seeds": 1, "layers": "2 5",
        "texts": 3, "m_per_text_base": base / 3, "m_per_text_rlhf": rlhf / 3,
        "sum_u_base": 2 + 3 + 2, "sum_u_rlhf": 6 + 6 + 2,
        "valence_base": 2 + 3 + 1, "valence_rlhf": 3 + 3 + 2,
        "words_base": 4, "words_rlhf": 5,
        "promotes_m_base": 4, "promotes_m_rlhf": 3 + 2 + 1,
        "promotes_signed_base": 4, "promotes_signed_rlhf": -3 + 2 + 1, "promotes_difference": 2, "cost": 0, "failures": 0,
    }  # fmt: skip
    missing = {"ci_low", "ci_high", "p_value", "promotes_ci_low", "promotes_ci_high", "promotes_p_value"}
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert found.keys() == expected.keys() | missing and all(math.isnan(found[key]) for key in missing)
    assert list(found)[: len(COLUMNS)] == COLUMNS


def test_interval_of_what_is_promoted():
    """Two seeds whose raised words differ by 2 and by 1: mean 1.5, t interval with one degree of freedom."""
    raised = [("good", "good good"), ("good", "bad")]  # |U|: 2 -> 4; 2 -> 3
    places = [place([line("film", a)], [line("film", b)], seed=seed) for seed, (a, b) in enumerate(raised, start=1)]
    found = row(places, TABLE, 30, NAMES)
    half = 12.7062 * 0.5  # t(0.975, 1) x standard error
    keys = ("promotes_difference", "promotes_ci_low", "promotes_ci_high")
    assert [found[key] for key in keys] == pytest.approx([1.5, 1.5 - half, 1.5 + half], rel=1e-4)
    assert math.isnan(found["promotes_p_value"])


def test_top_k():
    base = [line("good"), line("great"), line("bad")]
    rlhf = [line("great"), line("great"), line("great"), line("great")]
    for top_k, m_base, m_rlhf, k in ((1, 2, 4, 1), (2, 6, 8, 2), (30, 9, 12, 3)):
        found = row([place(base, rlhf)], TABLE, top_k, NAMES)
        assert (found["m_base"], found["m_rlhf"], found["top_k"], found["texts"]) == (m_base, m_rlhf, k, k)


def seeds(*pairs: tuple[str, str], run="run1") -> list[dict]:
    return [place([line(base)], [line(rlhf)], seed=i, run=run) for i, (base, rlhf) in enumerate(pairs)]


def test_replicates_are_seeds():
    found = row(seeds(("good", "great"), ("good", "bad"), ("fine", "great")), TABLE, 30, NAMES)
    # differences 2, 1, 3: mean 2, standard deviation 1
    half = stats.t.ppf(0.975, 2) / math.sqrt(3)
    assert (found["difference"], found["ci_low"], found["ci_high"]) == pytest.approx((2, 2 - half, 2 + half))
    assert math.isnan(found["p_value"])  # three replicates
    assert (found["unit"], found["runs"], found["sae_seeds"], found["samples"]) == ("SAE seed", 1, 3, 1)


def test_p_from_six():
    pairs = [("film", "good")] * 5
    assert math.isnan(row(seeds(*pairs), TABLE, 30, NAMES)["p_value"])
    assert row(seeds(*pairs, ("film", "great")), TABLE, 30, NAMES)["p_value"] == 2 / 64
    assert row(seeds(*pairs, ("great", "film")), TABLE, 30, NAMES)["p_value"] > 2 / 64


def test_samples_are_averaged_inside_a_seed():
    """They narrow nothing: two seeds of three samples are two replicates."""
    texts = {1: ("good", "great", "bad"), 2: ("fine", "fine", "good film")}  # |U|: 2, 4, 3 and 1, 1, 2
    places = [
        place([line("film")], [line(text, explainer="gpt")], seed=seed, sample=sample)
        for seed, rows in texts.items()
        for sample, text in enumerate(rows, start=1)
    ]
    for item in places:
        item["base"][0]["explainer"] = item["rlhf"][0]["explainer"] = "gpt"
        item["rlhf"][0]["activates_on"] = " ".join(item["rlhf"][0]["words"])
        item["base"][0]["activates_on"] = "film"
    found = row(places, TABLE, 30, NAMES)
    assert found["m_rlhf"] == pytest.approx((3 + 4 / 3) / 2) and found["m_base"] == 0
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(t_interval([3, 4 / 3]))
    assert (found["samples"], found["sae_seeds"], found["explainer"]) == (3, 2, "gpt")


def test_several_runs_are_the_replicates():
    places = seeds(("good", "great"), ("good", "bad"), run="run1") + seeds(("fine", "great"), ("fine", "fine"), run="run2")
    found = row(places, TABLE, 30, NAMES)
    # mean difference of run 1: (2 + 1) / 2, of run 2: (3 + 0) / 2; each is one replicate
    assert (found["m_base"], found["m_rlhf"]) == pytest.approx(((2 + 1) / 2, (3.5 + 2.5) / 2))
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((1.5, 1.5))
    assert (found["unit"], found["runs"], found["sae_seeds"]) == ("RLHF run", 2, 2)
    assert math.isnan(found["p_value"])


def test_no_living_feature():
    found = row([place([], [line("good")])], TABLE, 30, NAMES)
    assert (found["m_base"], found["m_rlhf"], found["top_k"], found["texts"]) == (0, 0, 0, 0)
    assert math.isnan(found["m_per_text_base"])
