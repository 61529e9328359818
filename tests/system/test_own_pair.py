"""docs/your-own-pair.md to the end: `init`, and its commands of Snakemake up to the first finding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rewardscope.__main__ import main

sys.path.insert(0, str(Path(__file__).parents[1] / "setup"))
from test_your_own_pair import commands, lay_out

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
