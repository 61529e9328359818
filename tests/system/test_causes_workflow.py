"""Causes by the real DAG: a run that asks for them runs nothing again that is finished, and a changed key what reads it."""

from pathlib import Path

import pandas as pd
import pytest
from workflow_runs import PAIR, SMALL, copied, planned, snakemake

from rewardscope.causes import causes, causes_table

TABLE = "results/tables/causes.csv"
RULES = {"causes", "causes_table"}
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def measured(finished, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("causes")
    copied(finished, folder)
    assert planned(snakemake(folder, "--dry-run", TABLE)) == RULES
    run = snakemake(folder, "--", TABLE)
    assert run.returncode == 0, run.stderr
    return folder


def test_the_table_and_what_it_is_made_from(measured):
    rows, table = pd.read_parquet(measured / PAIR / "causes.parquet"), pd.read_csv(measured / TABLE)
    assert list(rows) == causes.COLUMNS and list(table) == causes_table.COLUMNS
    assert set(rows["arm"]) == set(causes.ARMS) and {"none", "mlp", "residual"} <= set(table["place"])
    layers = rows[rows["place"] == "mlp"]["layer"]
    assert set(layers) == {"0", "1", "2", "3", "all"} and set(table["of_runs"]) == {1}


@pytest.mark.parametrize("change", ["causes: {prompts: 9}", "causes: {sizes: [2]}", "causes: {random_sets: 3}", "causes: {bootstrap: 50}"])
def test_a_changed_key_reruns_what_reads_it(measured, tmp_path, change):
    (tmp_path / "overlay.yaml").write_text(change)
    assert planned(snakemake(measured, "--dry-run", TABLE, "--configfile", str(SMALL), str(tmp_path / "overlay.yaml"))) == RULES
