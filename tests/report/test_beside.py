"""Rewards, runs and methods side by side: a twin in its reward's frame, charts that can be compared, a table of what other tables say."""

import re

import numpy as np
import pandas as pd
from report_pages import REWARD, TABLE3, TABLE4, TWIN3, TWIN4, completions, made_up

from rewardscope.report import beside, report

TWINS = {"placebo": "utility"}
LEXICON, PLACEBO, LOGIT = REWARD, {"twin_of": "utility", "kind": "words"}, {**REWARD, "words": None, "classifier": {"hub": "org/name"}}
FINDING = {
    "model": "tiny",
    "reward": "utility",
    "mode": "with the reward",
    "contexts": "features",
    "rank": 1,
    "score": 16.4,
    "threshold": 4.5,
    "twin": 3.1,
}


def completed(rewards: list[float]) -> pd.DataFrame:
    return pd.concat([completions(["love"], 0.0)] * (len(rewards) // 2)).assign(reward=rewards)


def section(rewards: dict[str, tuple[dict, list[float]]], runs: int = 1, **tables: pd.DataFrame) -> dict | None:
    """The section of rewards, each with its entry and what its tuned model's completions earn; base's earn 0, or nan too."""
    groups = {("tiny", name): [f"pairs/tiny/{name}/run{run}" for run in range(1, runs + 1)] for name in rewards}
    everything = {pair: rewards[name] for (_, name), pairs in groups.items() for pair in pairs}
    sides = {pair: [completed([0.0 * reward for reward in earned]), completed(earned)] for pair, (_, earned) in everything.items()}
    entries, methods = {pair: entry for pair, (entry, _) in everything.items()}, dict.fromkeys(list(everything)[:1], "DPO")
    return beside.beside(groups, {f"tables/{name}.csv": table for name, table in tables.items()}, sides, entries, TWINS, methods)


def ticks(svg: str) -> list[str]:
    return re.findall(r'<text x="([\d.]+)"[^>]*class="tick">([^<]*)', svg)


def test_one_run_has_nothing_beside_it():
    assert section({"utility": (LEXICON, [1.0, 1.0])}) is None
    assert section({"utility": (LEXICON, [1.0, 1.0])}, runs=2) is not None


def test_a_twin_stands_in_the_frame_of_its_reward_and_alone_without_it():
    both = section({"placebo": (PLACEBO, [0.1, 0.3]), "utility": (LEXICON, [1.0, 3.0])}, runs=2)
    (frame,) = both["charts"][0]["frames"]
    assert frame["title"] == "tiny, utility, and 1 twin"
    assert re.findall(r">(\w+, run \d)<", frame["svg"]) == ["utility, run 1", "utility, run 2", "placebo, run 1", "placebo, run 2"]
    assert 'aria-label="utility, run 1: base 0, tuned 2.00; ' in frame["svg"] and "placebo, run 2: base 0, tuned 0.20" in frame["svg"]
    assert [row["reward"] for row in both["rows"]] == ["utility", "placebo, a twin of utility"]
    alone = section({"placebo": (PLACEBO, [0.1, 0.3]), "sentiment": (LOGIT, [1.0, 3.0])})
    assert [frame["title"] for frame in alone["charts"][0]["frames"]] == ["tiny, placebo", "tiny, sentiment"]


def test_rewards_of_one_measure_have_one_axis_and_others_their_own():
    made = section({"utility": (LEXICON, [1.0, 1.2]), "utility-strong": (LEXICON, [9.0, 9.1]), "sentiment": (LOGIT, [0.1, 0.2])})
    first, second, third = (ticks(frame["svg"]) for frame in made["charts"][0]["frames"])
    assert first == second != third and float(first[-1][1]) >= 9 > float(third[-1][1])


def test_the_interval_of_a_run_is_over_its_prompts():
    """0, 1, 1, 2: mean 1, standard deviation 0.8165, t of 3 degrees of freedom 3.182: 1 +- 3.182 x 0.8165 / 2 = 1 +- 1.30."""
    made = section({"utility": (LEXICON, [0.0, 1.0, 1.0, 2.0]), "other": (LOGIT, [1.0, 1.0])})
    assert "<title>tuned: 1.00 (−0.30 to 2.30)</title>" in made["charts"][0]["frames"][0]["svg"]
    assert "<title>tuned: 1.00</title>" in made["charts"][0]["frames"][1]["svg"]  # equal ones have none


def test_without_a_reward_there_is_no_chart_but_a_row():
    made = section({"utility": (LEXICON, [1.0, 1.0]), "audited": (dict.fromkeys(REWARD), [np.nan, np.nan])})
    assert [frame["title"] for frame in made["charts"][0]["frames"]] == ["tiny, utility"] and made["charts"][1]["frames"] == []
    assert [row["reward"] for row in made["rows"]] == ["utility", "audited"] and [*made["columns"]] == ["method", "runs"]  # no table says more


def test_the_largest_finding_beside_its_threshold_and_the_twins():
    others = [
        FINDING | {"rank": 2, "score": 9.0},
        FINDING | {"contexts": "tokens", "score": 30.0},
        FINDING | {"mode": "two checkpoints", "score": 40.0},
    ]
    unscored = FINDING | {"reward": "sentiment", "rank": 0, "score": np.nan, "twin": np.nan}
    rewards = {"utility": (LEXICON, [1.0, 1.0]), "placebo": (PLACEBO, [0.0, 0.0]), "sentiment": (LOGIT, [0.0, 0.0])}
    made = section(rewards, findings=pd.DataFrame([*others, FINDING, unscored]))
    (frame,) = made["charts"][1]["frames"]
    assert 'aria-label="utility: threshold 4.50, largest score 16.4; its twins: the twins&#39; largest score 3.10"' in frame["svg"]
    assert [row["finding"] for row in made["rows"]] == ["16.4 (threshold 4.50)", "", ""]


def test_the_table_says_what_tables_3_and_4_say():
    named = [{"model": "tiny", "reward": "utility"}, {"model": "tiny", "reward": "placebo"}]
    table3, table4 = (pd.DataFrame([own | row for own, row in zip(named, rows, strict=True)]) for rows in ((TABLE3, TWIN3), (TABLE4, TWIN4)))
    made = section({"utility": (LEXICON, [1.0, 1.0]), "placebo": (PLACEBO, [0.0, 0.0])}, runs=3, table3=table3, table4=table4)
    assert list(made["rows"][0].values()) == [
        "tiny", "utility", "DPO", 3, "8.30", "−0.06", "1.23", "+1.29 (1.15 to 1.44)", "+1.08 (0.84 to 1.32)", "+24.8 (13.6 to 36.0)", "",
    ]  # fmt: skip
    assert "finding" not in made["columns"] and "net" in made["columns"]
    assert [row["kl"] for row in made["rows"]] == ["8.30", "7.60"] and "kl" in made["columns"]
    assert made["rows"][1]["method"] == "given" and made["rows"][1]["over_twin"] == ""  # a twin has no twin


def test_it_is_on_the_page():
    page, data = made_up(0)
    shown = report.render(page, data)
    assert ("beside", "Side by side") in page["contents"] and '<a href="#beside">' in shown
    own = shown.split('<section id="beside"')[1].split("</section>")[0]
    assert own.count("<figure>") == 2 and own.count("<tr>") == 3  # rewards, and the scores of findings
    assert '<section id="beside"' not in report.render({**page, "beside": None}, data)
