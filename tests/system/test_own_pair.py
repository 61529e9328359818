"""docs/your-own-pair.md to the end: `init`, and its commands of Snakemake up to the first finding, or to the report on an adapter."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rewardscope.__main__ import main

sys.path.insert(0, str(Path(__file__).parents[1] / "setup"))
sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from test_adapters import MERGED, train
from test_your_own_pair import commands, lay_out
from workflow_runs import legible

ROOT = Path(__file__).parents[2]


def snakemake(arguments: list[str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments]
    return subprocess.run(command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.workflow
def test_from_two_folders_to_the_first_finding(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lay_out()
    asked = commands()
    assert main(asked[0][3:]) == 0
    command = next(command[1:] for command in asked if command[0] == "snakemake" and len(command) == 6)
    assert command[:2] + command[3:] == ["--cores", "2", "--configfile", "config/mine.yaml"]
    run = snakemake(command)
    assert run.returncode == 0, run.stderr
    found = json.loads(next(Path("results/mine").rglob("l1.json")).read_text())
    assert found["wanted"] == 2 and found["l1"] > 0
    corpus = {part: pd.read_parquet(f"results/mine/corpora/documents/{part}.parquet") for part in ("train", "test")}
    assert len(corpus["train"]) + len(corpus["test"]) == 120 and not set(corpus["train"]["text"]) & set(corpus["test"]["text"])
    assert json.loads(Path("results/mine/pairs/base/tuned/run1/findings.json").read_text())["problem"] == "no reward was given"
    assert main(["show", "findings", "results/mine/tables/findings.csv"]) == 0
    assert "base, tuned; two checkpoints (no reward was given):" in capsys.readouterr().out


@pytest.mark.workflow
@pytest.mark.filterwarnings("ignore::UserWarning:peft", "ignore::FutureWarning")  # of making the adapter
def test_from_a_base_and_an_adapter_to_a_report_whose_first_sentence_is_true(tmp_path, monkeypatch):
    """The one edit asks for less, to be faster."""
    monkeypatch.chdir(tmp_path)
    lay_out()
    train(MERGED["lora"], Path("adapter"), made_for="base")
    (asked,) = (command[3:] for command in commands() if "adapter" in command)
    assert main(asked) == 0
    with Path("config/adapter.yaml").open("a") as file:
        file.write("targets: [findings, report]\n")
    run = snakemake(["--cores", "2", "--configfile", "config/adapter.yaml"])
    assert run.returncode == 0, run.stderr
    page = Path("results/adapter/report.html").read_text(encoding="utf-8")
    assert re.match(r"A tuned checkpoint (was )?given\b", page.split('<p class="lead">')[1]) and "no reward given" in page
    assert "<h2>base, adapter</h2>" in page and "RLHF" not in legible(page)
    pair = Path("results/adapter/pairs/base/adapter/run1")
    source = json.loads((pair / "rlhf/source.json").read_text())
    assert (source["path"], source["base"]["path"]) == ("adapter", "base") and not (pair / "rlhf/training.parquet").exists()
    table = pd.read_csv(pair / "divergence.csv")
    moved = table.loc[table["distance"] > 0, "tensor"]
    assert len(moved) and moved.str.contains("q_proj|down_proj").all() and set(table.loc[moved.index, "layer"].astype(int)) == {0, 1, 2}
