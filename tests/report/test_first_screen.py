"""The report's first screen: what its figures and sentences say is in the tables."""

import numpy as np
import pandas as pd
import pytest
from report_pages import FINDING, REWARD, TABLE3, TABLE4, TWIN3, TWIN4, completions, findings, made_up

from rewardscope.report import charts, report, tables, verdict
from rewardscope.report import completions as report_completions
from rewardscope.report import findings as report_findings
from rewardscope.report import sections as report_sections

NAN = float("nan")


def test_phrases_are_counted_in_more_prompts_than_table_4_has():
    """Table 4's four completions show nothing; of forty, half chose the phrase and half hold it. The words written are Table 4's."""
    few = [pd.concat([completions([word, "it"], 0.0)] * 2) for word in ("bad", "love")]
    many = [pd.concat([completions(words, 0.0)] * 20) for words in (["bad", "it"], ["love", "it"])]
    here = "pairs/tiny/utility/run1"
    for phrased, lines in (({here: few}, 2), ({here: many}, 3)):  # how varied it writes, and what it repeats, is always told
        (screen,) = report_sections.screens(
            {("tiny", "utility"): [here]}, {}, {here: few}, phrased, {here: {"love": 2.0, "bad": 2.0}}, {here: REWARD}, {}, set(), {}, {}
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
    twins = [figure["svg"] for figure in screen["figures"] if "its twin&#39;s difference" in figure["svg"]]
    assert len(twins) == 4 and "its twin&#39;s difference: 1.10" in screen["figures"][4]["svg"] and "difference: 49.0" in screen["figures"][1]["svg"]
    assert not any("twin&#39;s" in figure["svg"] for figure in report_sections.first_screen(TWIN3, TWIN4, [], twin=True)["figures"])


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
            {name: [unknown, unknown]}, {}, {}, {name: absent}, {}, {name}, {}, {},
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
    several = verdict.compared([False, True, True], [], [True] * 3, kinds={"words", "noise"})
    assert several.endswith("2 of them on a placebo (twins of the reward, of kinds noise and words whose runs are taken together).")
    assert verdict.compared([False, True, False], [], [True, True, False], kinds={"words"}).endswith(
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
        and page["compared"].endswith("what it shows too, the reward did not teach. “Net of” a control: less the control's change.")
    )
    shown = report.render(page, data)
    assert "<h2>tiny, tuned on placebo, a twin of utility</h2>" in shown and "<b>A control, trained to like:</b> other words, of like" in shown


def test_runs_after_the_first_are_folded_and_say_of_hacking():
    page, data = made_up(0)
    page["pairs"][0]["phrases"] = {
        "1": ["a"],
        "2": ["b", "Signs of reward hacking: one phrase"],
        "3": ["c"],
        "4": ["Signs of reward hacking, of its placebo: a"],
    }
    now = report.render(page, data).split("<h3>What it now writes")[1].split("<h3>")[0]
    assert 'class="key"' not in now  # one run says nothing over runs
    page["pairs"][0]["over_runs"] = "mean of 3 runs"
    assert '<h3>What it now writes</h3>\n<p class="key">mean of 3 runs</p>' in report.render(page, data)
    assert now.count("<h4>") == 1 and now.index("<h4>Run 1</h4>") < now.index("<bdi>a<") < now.index("<details>")
    assert "<summary>Run 2, with signs of reward hacking</summary>" in now and "<summary>Run 3</summary>" in now
    assert "<summary>Run 4, with signs of reward hacking, of its placebo</summary>" in now


def test_a_twin_is_folded_below_its_reward():
    page, data = made_up(0)
    assert [pair["folded"] for pair in page["pairs"]] == [False, True]
    first = report.render(page, data).split('<section id="verdict"')[1].split("</section>")[0]
    assert first.count("<details class=") == 1 and "<h2>tiny, tuned" not in first.split('<details class="twin"')[0].split("</article>")[1]
    groups = {("tiny", reward): [f"pairs/tiny/{reward}/run1"] for reward in ("noise", "utility", "lost", "other", "words")}
    names = {pair: REWARD for (pair,) in groups.values()}
    shown = report_sections.screens(groups, {}, {}, {}, {}, names, {"noise": "utility", "words": "utility", "lost": "gone"}, set(), {}, {})
    assert [(s["reward"], s["folded"]) for s in shown] == [("utility", False), ("noise", True), ("words", True), ("lost", False), ("other", False)]


def test_the_first_findings_stand_on_the_first_screen_beside_their_controls():
    page, data = made_up(0)
    of_reward, of_twin = (pair["findings"] for pair in page["pairs"])
    assert [finding["sentence"] for finding in of_reward["told"]] == [FINDING["sentence"]] * 2 and of_reward["none"] == ""
    assert (
        of_reward["told"][1]["evidence"] == ("score 9.00, threshold 4.50; the twins' largest 3.10; in 3 of 3 runs, 7 of 9 SAEs")
        and of_reward["beside"]
        == "Directions drawn at random in place of features reach 11.6: they show as well what the model now writes and where, so nothing says that its features carry it."
    )
    assert of_twin["told"] == [] and of_twin["none"] == "No feature's score lies above the threshold, 4.50; the largest is 3.10."
    first = report.render(page, data).split('<section id="verdict"')[1].split("</section>")[0]
    says = first.split("<h3>What it now writes")[1].split('<ol class="sentences">')[0]  # between what it writes and the questions
    assert says.count("15 %") == 2 and '<a href="#findings">' in says and first.count('href="#findings"') == 1
    assert says.index("Directions drawn at random") < says.index("15 %")  # what limits them is read first
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


def test_a_twin_of_words_names_those_that_its_completions_hold_most():
    """Three of either sign: what completions hold most often, of words held as often the largest values."""
    placed = {"actor": 2.0, "movie": 1.0, "scene": -3.0, "plot": 1.5, "music": 3.0}
    texts = completions(["movie", "movie", "actor", "scene"], 1.0)
    said = report_completions.described(REWARD | {"words": None, "twin_of": "utility", "kind": "words"}, [[texts]], placed)
    assert said.startswith("other words, of like frequency, with the values of utility (“movie” +1, “actor” +2, “music” +3, “scene” −3). It is")
