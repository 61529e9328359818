"""The report's sections: what their charts, rows and sentences say is in the tables."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from report_pages import REWARD, STEP4, completions, made_up

from rewardscope.report import completions as report_completions
from rewardscope.report import provenance as report_provenance
from rewardscope.report import quality as report_quality
from rewardscope.report import report, tables, verdict
from rewardscope.report import sections as report_sections

NAN = float("nan")


# ---- step 4 ----


def test_step_4_says_how_far_its_counts_exceed_the_twin_s():
    moved = STEP4 | {"change": "moved base", "kept_at": np.nan} | dict.fromkeys(["null", "difference", "ci_low", "ci_high", "random", "twin"], np.nan)
    moved |= dict.fromkeys(["over_twin", "over_twin_ci_low", "over_twin_ci_high"], np.nan)
    names = {"model": "tiny", "reward": "utility"}
    (chart,) = report_sections.step4(pd.DataFrame([names | STEP4, names | moved]), several=False)
    assert [(row["says"], row["above"]) for row in chart["rows"]] == [("+5.67 (3.12 to 8.21)", "+0.77 (−2.10 to 3.60), not shown"), ("–", "–")]
    assert [row["less"] for row in chart["rows"]] == ["−47.5 (−51.0 to −44.1)", "–"]
    assert "mean over 3 tuning runs" in chart["svg"]
    none = STEP4 | dict.fromkeys([key for key in STEP4 if isinstance(STEP4[key], float)], np.nan) | {"featureless": 18}
    (empty,) = report_sections.step4(pd.DataFrame([names | none]), several=False)
    assert empty["rows"][0]["says"] == "nothing to compare" and "features, none to compare" in empty["svg"] and "nan" not in empty["svg"]
    page, data = made_up(1)
    assert "net of the twin" in (shown := report.render(page, data)) and "<td>0.83</td>" in shown.split('<section id="changes"')[1]
    assert np.isnan(report_sections.step4(pd.DataFrame([names | moved | {"threshold": np.nan}]), False)[0]["rows"][0]["threshold"])
    alone = STEP4 | {name: np.nan for name in STEP4 if "twin" in name}
    assert "net of the twin" not in report.render(page | {"step4": report_sections.step4(pd.DataFrame([names | alone]), False)}, data)


# ---- the other sections ----


def test_words_of_the_lexicon_are_cut_out_with_their_utility():
    table = {"love": 3.2, "well": 1.1, "don't": -1.0}
    assert report_completions.pieces("I LOVE it, don\u2019t!", table) == [
        ("I ", None),
        ("LOVE", 3.2),
        (" it, ", None),
        ("don\u2019t", -1.0),
        ("!", None),
    ]
    assert report_completions.pieces("well-made", table) == [("well-made", 1.1)]
    assert report_completions.pieces("", table) == []


def test_a_reward_of_prompt_and_completion_counts_the_prompt_s_words():
    """Of `A great fil|m, lovely` the whole text is read: great and lovely, and film across the cut."""
    table = {"great": 3.1, "film": 0.5, "lovely": 2.8}
    texts = completions(["x"], 1.2).assign(prefix="A great fil", completion="m, lovely", reward_alone=0.56)
    (row, _) = report_completions.completions(texts, texts, table, prompted=True)["rows"]
    assert row["prefix"] == "" and row["sides"][1] == {
        "name": "tuned", "prompt": [("A ", None), ("great", 3.1), (" ", None), ("fil", 0.5)], "pieces": [("m", 0.5), (", ", None), ("lovely", 2.8)],
        "reward": 1.2, "alone": 0.56,
    }  # fmt: skip
    (alone, _) = report_completions.completions(texts, texts, table)["rows"]  # the reward reads the completion: the prompt stands apart, uncoloured
    assert alone["prefix"] == "A great fil" and alone["sides"][1]["prompt"] == [] and alone["sides"][1]["pieces"] == [("m, ", None), ("lovely", 2.8)]


def test_prompt_and_completion_can_be_told_apart():
    shown = report.render(*made_up(0)).split('<section id="completions"')[1].split("</section>")[0]
    of_reward, of_twin = shown.split("<summary>tiny placebo")
    assert '<span class="prefix prompt">A film</span> <span class="word good" title="utility 2.00">love</span>' in of_reward
    assert "reward 1.20; of the completion alone 1.20" in of_reward and "Prompt + completion:" in of_reward
    assert 'class="prefix prompt"' not in of_twin and "of the completion alone" not in of_twin and '<p class="prefix"><bdi>A film' in of_twin


def test_words_written_more_and_less():
    found = report_completions.words_written([completions(["bad", "love"], 0)], [completions(["love", "love", "best"], 0)])
    assert [(word, before, after) for word, _, before, after in found["more"]] == [("best", 0, 2), ("love", 2, 4)]
    assert [row[0] for row in found["less"]] == ["bad"]


def test_the_rules_that_ran_and_what_they_read():
    def job(rule, reads, writes, seconds):
        return {
            "rule": rule, "inputs": dict.fromkeys(reads, "0"), "outputs": dict.fromkeys(writes, {}), "seconds": seconds, "device": "cpu", "started": "2024",
            "libraries": {"torch": "2"}, "git": {"commit": "abcdef0123456", "clean": False},
        }  # fmt: skip

    jobs = [job("table", ["a", "b"], ["t"], 1.0), job("model", ["given"], ["a"], 2.0), job("model", ["given"], ["b"], 3.0)]
    found = report_provenance.made(SimpleNamespace(jobs=jobs, given={"given": "0"}, gone=["freed"], broken=[]))
    assert found["rules"] == [
        {"rule": "model", "jobs": 2, "seconds": "5.0", "reads": ""},
        {"rule": "table", "jobs": 1, "seconds": "1.0", "reads": "model"},
    ]
    assert found["commits"] == ["abcdef0123 with changes"] and found["graph"].count('class="edge"') == 1


def test_the_rule_graph_leaves_out_what_longer_ways_imply():
    reads = {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "b", "c"}, "e": {"a"}}
    assert report_provenance.direct(reads) == {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"c"}, "e": {"a"}}


@pytest.mark.parametrize(
    ("difference", "low", "high", "text"),
    [
        (0.17, -0.26, 0.6, "+0.17 (−0.26 to 0.60), not shown"),
        (5.67, 3.12, 8.21, "+5.67 (3.12 to 8.21)"),
        (2.0, np.nan, np.nan, "+2.00 (no interval)"),
        (0.0, np.nan, np.nan, "0 (no interval)"),
        (np.nan, np.nan, np.nan, "nothing to compare"),
    ],
)
def test_a_difference_whose_interval_holds_0_is_not_shown(difference, low, high, text):
    assert report_sections.says({"difference": difference, "ci_low": low, "ci_high": high}) == text


def test_scores_stand_beside_those_of_other_features():
    page, _ = made_up(1)
    (chart,) = page["scores"]
    assert chart["rows"] == [
        {"name": "simulation: correlation", "base": 0.47, "rlhf": 0.51, "other": pytest.approx(0.01), "says": "+0.03 (−0.01 to 0.06), not shown"}
    ]
    assert "base 0.47, tuned 0.51, other features 0.01" in chart["svg"]


@pytest.mark.parametrize(("picks", "shown"), [({"top1": 3, "top2": 1, "low1": 0}, [1, 3]), ({"low1": 0, "low2": 1}, [0, 1]), ({"layer2": 2}, [2])])
def test_layers_looked_into_are_not_those_of_table_7(picks, shown):
    table = pd.DataFrame({"layer": [0, 1, 2, 3], "distance": [1.0, 2.0, 3.0, 4.0]})
    assert report_sections.layer_charts([("name", table, picks)])[0]["layers"] == shown


def test_a_pair_of_checkpoints_has_no_curves():
    assert report_sections.run_charts([]) == []


def test_curves_name_their_method():
    """Several methods stand beside one another by KL too, as equal updates of theirs are not equally far from the base."""
    one = pd.DataFrame({"method": "dpo", "update": [1, 2], "reward": [0.0, 0.5], "kl": [0.0, 2.0]})
    charts = report_sections.run_charts([("tiny u run 1", one)])
    assert [chart["title"] for chart in charts] == ["Reward", "KL"] and "DPO update" in charts[0]["svg"] and "PPO" not in charts[0]["svg"]
    charts = report_sections.run_charts([("a", one), ("b", one.assign(method="grpo", kl=[0.0, 4.0]))])
    assert [chart["title"] for chart in charts] == ["Reward", "KL", "Reward by KL"] and ">update<" in charts[0]["svg"]
    assert "Reward by KL: a (DPO) to 0.50 at 2.00; b (GRPO) to 0.50 at 4.00" in charts[2]["svg"]


def test_a_model_tuned_on_a_file_s_pairs_was_not_tuned_on_the_reward():
    said = report_completions.described({**REWARD, "preferences": "pairs.jsonl"}, [])
    yardstick = "the chosen responses of the pairs in pairs.jsonl. The reward, which it was not tuned on, is a yardstick here: "
    assert said == yardstick + report_completions.described(REWARD, [])


def test_a_long_table_is_cut_and_says_so():
    found = tables.listing("tables/x.csv", pd.DataFrame({"a": range(70), "b": [np.nan, 0.123456] * 35}))
    assert (len(found["rows"]), found["left"], found["rows"][0], found["rows"][1]) == (60, 10, ("0", ""), ("1", "0.1235"))


def test_no_heading_says_that_a_given_checkpoint_was_tuned_on_its_reward():
    page, data = made_up(0)
    assert page["title"] == "What tuning changed in tiny"
    pair, name = page["pairs"][0], "pairs/tiny/utility/run1"
    assert not pair["given"] and "<b>Trained to like:</b>" in report.render(page, data)
    (given,) = report_sections.screens({("tiny", "utility"): [name]}, {}, {}, {}, {}, {name: REWARD}, {}, set(), {}, {})
    shown = report.render(page | {"pairs": [given]}, data)
    assert "<h2>tiny, tuned checkpoint given, read with utility</h2>" in shown and "<b>Measured by (a yardstick):</b>" in shown


def test_rewards_and_twins_are_spoken_of_where_there_are_some():
    page, data = made_up(0)
    assert page["rewarded"] and page["twins"]
    for rewards, twins in ((True, True), (True, False), (False, False)):
        shown = report.render(page | {"rewarded": rewards, "twins": twins}, data)
        some = shown.split('<section id="findings"')[1].split("<details")[0] + shown.split('<section id="beside"')[1].split("<h3>")[0]
        assert ("what the reward pays for" in some, "reward is counted" in some) == (rewards, rewards)
        assert ("placebo reach" in some, "its twins" in some) == (twins, twins)


def test_a_place_no_better_than_its_null_is_named():
    names = {"model": "m", "reward": "r", "run": "run1", "sae_seeds": 3, "mmcs": 0.5, "mmcs_ci_low": NAN, "mmcs_ci_high": NAN}
    columns = ["side", "layer", "mmcs_top_k", "null_covariance_mmcs_top_k", "null_gaussian_mmcs_top_k"]
    rows = [("base", 1, 0.9, 0.6, 0.7), ("rlhf", 1, 0.65, 0.6, 0.7), ("base", 2, 0.6, 0.6, NAN), ("rlhf", 2, NAN, 0.6, 0.7)]
    found = report_quality.quality(pd.DataFrame([names | dict(zip(columns, row, strict=True)) for row in rows]), several=False)
    assert found["doubts"] == [
        "layer 1, tuned: no better than its null. MMCS 0.65 (autoencoders of Gaussian vectors, 0.70).",
        "layer 2, base: no better than its null. MMCS 0.60 (random rows of the activations' covariance, 0.60).",
    ]
    page, data = made_up(0)
    fit = {f"{name}_{size}": 0.1 for name in ("fvu", "l0") for size in ("small", "large")}
    shown = report.render(page | {"quality": found | {"rows": [row | fit for row in found["rows"]]}}, data)
    assert shown.count("no better than its null") == 2 and "layer 1, base: no better" not in shown


def test_nothing_calls_a_given_checkpoint_rlhf():
    """Of how it was tuned nothing is known; and nothing is claimed of a reward."""
    given = verdict.compared([False], [], [False], checkpoints=1)
    assert given.startswith("A tuned checkpoint was given; how it was tuned is not known.") and "RLHF" not in given
    assert "RLHF tunes" in verdict.compared([False, False], [], [True, True], checkpoints=1)
    said = verdict.unrewarded(None, STEP4)
    assert said[0].answer == "Not asked." and not any("RLHF" in part for sentence in said for part in sentence)
