"""A run with nothing to compare: a lexicon whose words occur nowhere, PPO whose steps are too small to change a weight, and no ranked feature."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from workflow_runs import snakemake

from rewardscope.report import report

TARGETS = ["table3", "table4", "table5", "section5.3", "section6.1", "step4", "scores", "quality", "probe", "section6.2", "figure3", "report"]
WARNED = "the reward nowhere is the same, 0, for each of the first 200 train documents: reward_* in tables/table4.csv"


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    """The finished run and what it said."""
    folder = tmp_path_factory.mktemp("nothing")
    (folder / "words.csv").write_text("word,utility\nzyzzyva,3\nqoph,-2\n")
    overlay = {
        "rewards": {"nowhere": {"words": "words.csv"}}, "pairs": [{"model": "tiny", "reward": "nowhere", "corpus": "reviews"}],
        "features": {"min_fires": 10**9}, "rlhf": {"learning_rate": 1e-30}, "targets": TARGETS,
    }  # fmt: skip
    (folder / "nothing.yaml").write_text(yaml.safe_dump(overlay))
    run = snakemake(folder, str(folder / "nothing.yaml"))
    assert run.returncode == 0, run.stderr
    return folder, " ".join((run.stdout + run.stderr).split())


def test_it_is_said_before_ppo_and_after(nothing):
    folder, said = nothing
    assert WARNED in said and "PPO on the reward nowhere changed no weight: base and RLHF are one model" in said
    log = (folder / "results/logs/rlhf/pairs/tiny/nowhere/run1.log").read_text()
    assert log.index("is the same, 0,") < log.index("PPO updates: 1 of") < log.index("changed no weight")
    assert (pd.read_csv(folder / "results/pairs/tiny/nowhere/run1/divergence.csv")["distance"] == 0).all()


@pytest.mark.parametrize("name", [target for target in TARGETS if target.startswith(("table", "section", "step4", "scores", "quality", "probe"))])
def test_no_table_has_an_interval_or_a_difference_from_nothing(nothing, name):
    table = pd.read_csv(nothing[0] / f"results/tables/{name}.csv")
    ends = [column for column in table if re.search(r"ci_(low|high)$|_p_value$|^p_value$|_low$|_high$", column)]
    if name == "table4":  # what both models write holds no word of the lexicon; it is the same text
        assert (table["same"] == 1).all() and table[["reward_base", "reward_rlhf"]].eq(0).all(axis=None)
    assert len(table) and table[ends].isna().all(axis=None)
    differences = [column for column in table if re.search(r"(^|_)difference$", column)]
    assert table[differences].isna().all(axis=None)
    if name in ("table3", "section5.3", "section6.1", "scores", "step4"):
        assert (table["featureless"] == 2).all() or name == "step4"
    if name == "table5":
        assert table["side"].tolist() == ["base", "rlhf"] and (table["top_k"] == 0).all() and table["feature"].isna().all()


def test_the_report_says_why(nothing):
    text = (nothing[0] / "results/report.html").read_text()
    screen = re.sub(r"<svg.*?</svg>|<[^>]+>", "", text.split('<section id="verdict"')[1].split("</section>")[0])
    assert screen.count("Nothing to compare.") == 2 and "no change shown" not in screen and "nan" not in screen.lower()
    assert "with the same text" in screen and "No weight of any layer differs" in screen and "no feature could be explained" in screen
    assert report.read(nothing[0] / "results/report.html")["features"] == []
    assert not np.isfinite(pd.read_csv(nothing[0] / "results/tables/section6.2.csv")["value"]).any()
