"""The report's sections: what their charts, rows and sentences say is in the tables."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from report_pages import FINDING, REWARD, STEP4, TABLE3, TABLE4, TWIN3, TWIN4, completions, findings, made_up

from rewardscope.report import charts, report, tables, verdict
from rewardscope.report import completions as report_completions
from rewardscope.report import crosscoder as report_crosscoder
from rewardscope.report import features as report_features
from rewardscope.report import findings as report_findings
from rewardscope.report import provenance as report_provenance
from rewardscope.report import quality as report_quality
from rewardscope.report import sections as report_sections

NAN = float("nan")

# ---- the first screen ----


def test_phrases_are_counted_in_more_prompts_than_table_4_has():
    """Table 4's four completions show nothing; of forty, half chose the phrase and half hold it. The words written are Table 4's."""
    few = [pd.concat([completions([word, "it"], 0.0)] * 2) for word in ("bad", "love")]
    many = [pd.concat([completions(words, 0.0)] * 20) for words in (["bad", "it"], ["love", "it"])]
    here = "pairs/tiny/utility/run1"
    for phrased, lines in (({here: few}, 2), ({here: many}, 3)):  # how varied it writes, and what it repeats, is always told
        (screen,) = report_sections.screens(
            {("tiny", "utility"): [here]}, {}, {here: few}, phrased, {here: {"love": 2.0, "bad": 2.0}}, {here: REWARD}, {}, set(), {}
        )
        assert len([line for line in screen["phrases"]["1"] if not line.startswith("Signs")]) == lines
    assert "“love it” in 100" in screen["phrases"]["1"][0]
    assert screen["written"]["more"] == [("love", 2.0, 0, 4)]


def titles(screen: dict) -> list[str]:
    return [figure["title"] for figure in screen["figures"]]


def test_five_figures_and_the_controls_among_them():
    screen = report_sections.first_screen(TABLE3, TABLE4, [], twin=False)
    assert titles(screen) == [
        "Reward, prompt included", "Words that completions hold", "Words that features promote", "The same beside its controls",
        "Words that features fire on",
    ]  # fmt: skip
    said = "features 32.3; random rows 7.50; unembedding alone 9.00; net of random 24.8; twin 4.10; net of twin 28.2"
    assert f'aria-label="{said}"' in screen["figures"][3]["svg"]
    assert "features less random rows: 24.8 (13.6 to 36.0)" in screen["figures"][3]["svg"]


def test_a_vocabulary_without_a_word_of_the_reward_has_no_figure_of_controls():
    empty = TABLE3 | {key: np.nan for key in TABLE3 if key.startswith("promotes_")}
    assert "The same beside its controls" not in titles(report_sections.first_screen(empty, TABLE4, [], twin=False))
    assert charts.dots([], "axis", "label", 0.0) == ""


def test_a_twin_has_no_twin_in_its_figure():
    figure = report_sections.beside_controls(TWIN3, twin=True)
    assert (
        'aria-label="features 4.10; random rows 3.50; unembedding alone 9.00; net of random 0.60"' in figure["svg"] and ">twin<" not in figure["svg"]
    )
    assert "where the net interval leaves" in figure["note"] and "both net" in report_sections.beside_controls(TABLE3, twin=False)["note"]
    assert "true reward" in report_sections.first_screen(None, TWIN4, [], twin=True)["figures"][0]["note"]


def test_a_reward_without_words_has_a_figure_of_its_reward_alone():
    row = {**TABLE4, "m_base": np.nan, "m_rlhf": np.nan}
    assert titles(report_sections.first_screen(None, row, [], twin=False)) == ["Reward, prompt included"]
    alone = row | {"reward_alone_base": row["reward_base"], "reward_alone_rlhf": row["reward_rlhf"]}
    assert titles(report_sections.first_screen(None, alone, [], twin=False)) == ["Reward of a completion"]


def test_a_pair_without_a_reward_has_no_figure_and_no_reward():
    row = {**TABLE4, **{key: np.nan for key in TABLE4 if "reward" in key}, "m_base": np.nan, "m_rlhf": np.nan}
    assert titles(report_sections.first_screen(None, row, [], twin=False)) == []
    page, data = made_up(0)
    name, absent = "pairs/tiny/audited/run1", dict.fromkeys(REWARD)
    unknown = completions(["bad"], float("nan"))
    page |= {
        "pairs": report_sections.screens(
            {("tiny", "audited"): [name]}, {"tables/table4.csv": pd.DataFrame([{"model": "tiny", "reward": "audited", **row}])},
            {name: [unknown, unknown]}, {}, {}, {name: absent}, {}, {name}, {},
        ),
        "completions": [{"name": "tiny audited", **report_completions.completions(unknown, unknown, None)}],
        "worded": False,
    }  # fmt: skip
    shown = report.render(page, data)
    first = shown.split('<section id="verdict"')[1].split("</section>")[0]
    assert "<h2>tiny, audited</h2>" in first and "not known: no reward was given" in first and "Not asked." in first and "<svg" not in first
    texts = shown.split('<section id="completions"')[1].split("</section>")[0]
    assert "<b>base</b><br>" in texts and "<small>reward" not in texts and "raise the reward" not in texts
    assert "<small>reward" in report.render(*made_up(0)) and "raise the reward" in report.render(*made_up(0))
    assert verdict.compared([False], [], [False]).endswith("1 tuning run, no reward given.")
    assert verdict.compared([False, True, False], [], [True, True, False]).endswith(
        "3 tuning runs, 1 of them on a placebo (twins of the reward), 1 of them with no reward given."
    )


def test_a_table_without_a_row_says_so():
    page, data = made_up(0)
    page["tables"] = [tables.listing("tables/probe.csv", pd.DataFrame(columns=["model", "reward"]))]
    assert report.render(page, data).count("No row: nothing here has what this table measures.") == 1
    assert "No row" not in report.render(*made_up(0))


def test_the_twin_s_article_stands_beside_the_reward_s():
    page, data = made_up(1)
    assert [(pair["reward"], pair["twin_of"]) for pair in page["pairs"]] == [("utility", ""), ("placebo", "utility")]
    assert [pair["sentences"][0].question for pair in page["pairs"]] == ["Did it learn this reward?", "Does it earn more of the true reward?"]
    assert (
        page["compared"].startswith("RLHF tunes")
        and "2 tuning runs, 1 of them on a placebo (twins of the reward), 1 of them a tuned checkpoint given, 6 SAE seeds" in page["compared"]
    )
    shown = report.render(page, data)
    assert "<h2>tiny, tuned on placebo, a twin of utility</h2>" in shown and "<b>A control, trained to like:</b> other words, of like" in shown


def test_runs_after_the_first_are_folded_and_say_of_hacking():
    page, data = made_up(0)
    page["pairs"][0]["phrases"] = {"1": ["a"], "2": ["b", "Signs of reward hacking: one phrase"], "3": ["c"]}
    now = report.render(page, data).split("<h3>What it now writes")[1].split("<h3>")[0]
    assert now.count("<h4>") == 1 and now.index("<h4>Run 1</h4>") < now.index("<bdi>a<") < now.index("<details>")
    assert "<summary>Run 2, with signs of reward hacking</summary>" in now and "<summary>Run 3</summary>" in now


def test_a_twin_is_folded_below_its_reward():
    page, data = made_up(0)
    assert [pair["folded"] for pair in page["pairs"]] == [False, True]
    first = report.render(page, data).split('<section id="verdict"')[1].split("</section>")[0]
    assert first.count("<details class=") == 1 and "<h2>tiny, tuned" not in first.split('<details class="twin"')[0].split("</article>")[1]
    groups = {("tiny", reward): [f"pairs/tiny/{reward}/run1"] for reward in ("noise", "utility", "lost", "other", "words")}
    names = {pair: REWARD for (pair,) in groups.values()}
    shown = report_sections.screens(groups, {}, {}, {}, {}, names, {"noise": "utility", "words": "utility", "lost": "gone"}, set(), {})
    assert [(s["reward"], s["folded"]) for s in shown] == [("utility", False), ("noise", True), ("words", True), ("lost", False), ("other", False)]


def test_the_first_findings_stand_on_the_first_screen_beside_their_controls():
    page, data = made_up(0)
    of_reward, of_twin = (pair["findings"] for pair in page["pairs"])
    assert [finding["sentence"] for finding in of_reward["told"]] == [FINDING["sentence"]] * 2 and of_reward["none"] == ""
    assert (
        of_reward["told"][1]["evidence"] == ("score 9.00, threshold 4.50; the twins' largest 3.10; in 3 of 3 runs, 7 of 9 SAE seeds")
        and of_reward["beside"]
        == "Directions drawn at random in place of features reach 11.6: they show as well what the model now writes and where, so nothing says that its features carry it."
    )
    assert of_twin["told"] == [] and of_twin["none"] == "No feature's score lies above the threshold, 4.50; the largest is 3.10."
    first = report.render(page, data).split('<section id="verdict"')[1].split("</section>")[0]
    says = first.split("<h3>What it now writes")[1].split('<ol class="sentences">')[0]  # between what it writes and the questions
    assert says.count("15 %") == 2 and '<a href="#findings">' in says and first.count('href="#findings"') == 1
    blind = findings({"model": "m", "reward": "r"}, {"model": "m", "reward": "t"}).assign(mode="two checkpoints")
    assert "paid for or not" in report_findings.first(blind, "m", "r")["mode"]
    nothing = blind.assign(score=np.nan, shown=False)
    assert report_findings.first(nothing, "m", "r")["none"].startswith("No feature that fires on 25 tokens has a score")
    assert report_findings.first(blind, "m", "x") is report_findings.first(None, "m", "r") is None


@pytest.mark.parametrize(
    ("reward", "says"),
    [
        ({"words": "vader"}, "VADER lexicon, where people rated words from −4 to 4 (“love” +2). The reward of a text is the sum over its words, divided by 5"),
        ({"words": "mine.csv"}, "the lexicon mine.csv"), ({"function": "f.py:likes"}, "the Python function f.py:likes"),
        ({"classifier": {"hub": None, "path": "judge", "positive": "good"}}, "a classifier (judge) takes for good"),
        ({"classifier": {"hub": None, "path": None, "positive": None}}, "a classifier (one trained here on labelled documents) takes for positive"),
        ({"twin_of": "utility", "kind": "words"}, "other words, of like frequency, with the values of utility. It is a placebo"),
        ({"twin_of": "utility", "kind": "noise"}, "a number by a hash of the text, spread like utility"),
        ({"twin_of": "utility", "kind": "zero"}, "every text earns 0"),
    ],
)  # fmt: skip
def test_what_a_reward_likes(reward, says):
    assert says in report_completions.described(REWARD | {"words": None} | reward, [[completions(["love"], 1.0)]])


# ---- step 4 ----


def test_step_4_says_how_far_its_counts_exceed_the_twin_s():
    moved = STEP4 | {"change": "moved base", "kept_at": np.nan} | dict.fromkeys(["null", "difference", "ci_low", "ci_high", "random", "twin"], np.nan)
    moved |= dict.fromkeys(["over_twin", "over_twin_ci_low", "over_twin_ci_high"], np.nan)
    names = {"model": "tiny", "reward": "utility"}
    (chart,) = report_sections.step4(pd.DataFrame([names | STEP4, names | moved]), several=False)
    assert [(row["says"], row["above"]) for row in chart["rows"]] == [("+5.67 (3.12 to 8.21)", "+0.77 (−2.10 to 3.60), not shown"), ("–", "–")]
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
    (given,) = report_sections.screens({("tiny", "utility"): [name]}, {}, {}, {}, {}, {name: REWARD}, {}, set(), {})
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


# ---- crosscoders ----


CROSSCODED = {
    "run": "run1", "layer": 3, "features": 125, "rlhf_alone": 3, "base_alone": 4, "null_features": 124, "null_rlhf_alone": 1, "null_base_alone": 2,
}  # fmt: skip
OWN = {
    "model": "tiny", "reward": "utility", "layer": 3, "feature": 17, "fires": 40, "relative_norm": 0.97, "nu_error": 0.01, "nu_reconstruction": 0.02,
    "activates_on": 'Fires on "<i>".', "promotes": 'Makes "best" more likely.',
}  # fmt: skip


def counted(reward: str, twin_of: str | None) -> dict:
    return {"model": "tiny", "reward": reward, "twin_of": twin_of} | CROSSCODED


def test_crosscoders_own_features_beside_base_against_base_and_a_twin():
    counts = pd.DataFrame([counted("utility", None), counted("placebo", "utility")])
    parts = report_crosscoder.crosscoders(counts, pd.DataFrame([OWN, OWN | {"feature": 5}]), several=True)
    assert [part["title"] for part in parts] == ["tiny, utility, layer 3", "tiny, placebo (a twin), layer 3"]
    assert [[row["feature"] for row in part["told"]] for part in parts] == [[17, 5], []] and [part["left"] for part in parts] == [1, 3]


def test_crosscoders_in_the_page():
    page, data = made_up(1)
    (part,) = report_crosscoder.crosscoders(pd.DataFrame([counted("utility", None)]), pd.DataFrame([OWN]), several=False)
    html = report.render(page | {"crosscoders": [part]}, data)
    assert "<b>layer 3</b>: of 125 features 3 the tuned model's alone, 4 the base's. Base against base: 1 and 2 of 124." in html
    assert "Feature 17: <bdi>Fires on &#34;&lt;i&gt;&#34;.</bdi> <bdi>Makes &#34;best&#34; more likely.</bdi>" in html
    assert "fires on 40 held tokens; relative norm 0.97;" in html and "2 more are not told in words." in html
    assert "crosscoder)" not in report.render(page, data)


def test_a_crosscoder_stands_in_step_4_below_the_paper_s_count_and_out_of_its_chart():
    names = {"model": "tiny", "reward": "utility"}
    joint = {
        "among": "crosscoder", "kept_at": "latent scaling", "features": 125.0, "count": 3.0, "null": 1.0, "difference": 2.0, "twin": 5.0,
        "over_twin": -3.0, **dict.fromkeys(("threshold", "random", "ci_low", "ci_high", "over_twin_ci_low", "over_twin_ci_high"), NAN),
    }  # fmt: skip
    kept = {"change": "kept", "count": 122.0, "null": 123.0}
    table = pd.DataFrame(
        [
            names | STEP4,
            names | STEP4 | joint,
            names | STEP4 | joint | kept,
            names | STEP4 | joint | {"reward": "other"},
            names | STEP4 | joint | {"layer": "3"},
        ]
    )
    (before,), (after,) = report_sections.step4(table.head(1), False), report_sections.step4(table, False)
    assert (after["svg"], after["rows"][0]) == (before["svg"], before["rows"][0]) and len(after["rows"]) == 3
    row = after["rows"][1]
    assert (
        row["name"] == "crosscoder, of 125 (base against base: of 124): tuned's alone"
        and row["says"] == "+2.00 (no interval)"
        and row["above"] == "\N{MINUS SIGN}3.00"
    )


def test_a_crosscoder_s_features_are_in_the_browser_on_a_side_of_their_own():
    """By hand, beside another feature; the page is the same without them."""
    line = {
        "feature": 17, "activates_on": 'Fires on "film".', "promotes": "", "words": ["film"], "raised": [{"id": 1, "token": " love", "logit": 0.9}], "lowered": [],
        "evidence": {"strongest": 2, "documents": [7]}, "explainer": "tokens", "alone": "rlhf", "relative_norm": 0.97, "nu_error": 0.01, "nu_reconstruction": NAN,
    }  # fmt: skip
    index = pd.DataFrame({"document": 7, "position": [0, 1], "token": [3, 4]})
    shown = report_features.Tokens(index, report_features.Texts(), lambda _: ["The", " film"])
    fires = pd.DataFrame({"feature": [17, 17, 5], "document": 7, "position": [0, 1, 1], "value": [1.0, 2.0, 9.0]})
    (entry,) = report_crosscoder.entries("pairs/tiny/utility/run1", 3, [line], fires, shown, {"love": 2.0})
    assert entry["id"] == "tiny/utility/run1/crosscoder/layer3/seed1/feature17"
    assert (entry["alone"], entry["norm"], entry["nu"], entry["uUp"]) == ("rlhf", 0.97, [0.01, None], 2.0)
    assert (entry["fires"], entry["max"], [w["v"] for w in entry["win"]]) == (2, 2.0, [[50, 100]])
    page, data = made_up(1)
    html = report.render(page | {"crosscoded": True}, {"tokens": {"tiny": shown.texts.texts}, "features": [*data["features"], entry]})
    assert "Side “crosscoder”" in html and "crosscoder”" not in report.render(page, data)
    assert "crosscoder: alone rlhf, relative norm 0.97, nu 0.01 (error), None (reconstruction)" in list(report._lines(entry, shown.texts.texts))[1]


def test_a_crosscoder_without_a_feature_of_one_side():
    (none,) = report_crosscoder.crosscoders(pd.DataFrame([counted("utility", None) | {"rlhf_alone": 0}]), pd.DataFrame([OWN]).head(0), several=False)
    assert none["told"] == [] and none["left"] == 0
