"""Scores by the real DAG: a run that asks for them runs nothing again that is finished."""

from pathlib import Path

import pandas as pd
import pytest
from workflow_runs import PAIR, SMALL, copied, planned, snakemake

from rewardscope.tables.scores_table import COLUMNS

TABLE = "results/tables/scores.csv"
RULES = {"scores", "promotes", "scores_table"}
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def scored(finished, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scores")
    copied(finished, folder)
    assert planned(snakemake(folder, "--dry-run", TABLE)) == RULES
    run = snakemake(folder, "--", TABLE)
    assert run.returncode == 0, run.stderr
    return folder


def test_the_table_and_what_it_is_made_from(scored):
    table = pd.read_csv(scored / TABLE)
    assert list(table) == COLUMNS and set(table["sae_seeds"]) == {2} and set(table["explainer"]) == {"tokens"}
    assert set(table["scorer"]) == {"simulation", "detection", "promotes"} and set(table["layer"]) > {"all"}
    place = "paper/top1/tokens/seed2.sample1"
    for side in ("base", "rlhf"):
        lines = (scored / PAIR / side / f"explanations/{place}.jsonl").read_text().splitlines()
        for scorer in ("simulation", "detection", "promotes"):
            assert len(pd.read_parquet(scored / PAIR / side / f"scores/{scorer}/{place}.parquet")) == len(lines) > 1


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ("scores: {multiple: 2.0}", {"promotes", "scores_table"}),
        ("scores: {windows: 3}", RULES),
        ("scores: {tokens: 8}", RULES),
        ("completions: {new: 7}", set()),
    ],
)
def test_a_changed_key_reruns_what_reads_it(scored, tmp_path, change, rules):
    (tmp_path / "overlay.yaml").write_text(change)
    assert planned(snakemake(scored, "--dry-run", TABLE, "--configfile", str(SMALL), str(tmp_path / "overlay.yaml"))) == rules
