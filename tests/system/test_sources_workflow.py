"""From files, folders, a hub cache and a function to completions."""

import json
import os
from pathlib import Path

import fake_hub
import pandas as pd
import pytest
import torch
from own_sources import OWN, PAIR, jobs, snakemake

from rewardscope.checksums import checksum


@pytest.mark.workflow
def test_runs_and_reruns(project):
    """From files, folders, a hub cache and a function to completions; then only what a changed input touches is planned."""
    target, record = f"{PAIR}/rlhf/completions.parquet", Path(f"{PAIR}/rlhf/source.json")
    run = snakemake(project, target)
    assert run.returncode == 0, run.stderr
    said = f"rewardscope: reward length runs the code of rewards.py:length (SHA-256: rewards.py {checksum('rewards.py')})"
    assert run.stderr.splitlines().count(said) == 1
    corpus = pd.read_parquet("results/corpora/mine/test.parquet")
    assert len(corpus) == 30 and set(corpus["label"]) == {0} and not corpus["text"].str.contains("<br").any()
    assert "from {'path': {'train': 'data/train.jsonl', 'test': 'data/test.csv'}}" in Path("results/logs/corpus/mine.log").read_text()
    found = pd.read_parquet(target)
    assert (found["reward"] == (found["prefix"] + found["completion"]).str.len()).all() and len(found) == 4
    assert found["words"].map(len).sum() == found["utilities"].map(len).sum() == 0
    assert json.loads(Path("results/models/theirs/source.json").read_text())["path"] == "base"
    tuned = json.loads(record.read_text())
    assert (tuned["hub"], tuned["revision"], tuned["commit"]) == ("org/tuned", "v1", fake_hub.FIRST)
    assert jobs(snakemake(project, target, "--dry-run")) == []

    touched = {
        "rewards.py": {"completions"},
        "base/tokenizer.json": {"base_model", "tuned", "completions"},
        "data/test.csv": {"corpus", "completions"},
    }
    for file, rules in touched.items():
        before, times = Path(file).read_bytes(), os.stat(file)
        Path(file).write_bytes(before + b"\n")
        assert {rule for rule, _ in jobs(snakemake(project, target, "--dry-run"))} == rules, file
        Path(file).write_bytes(before)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    # PPO instead of the checkpoint: its model is not the one that lies there
    (project / "own.yaml").write_text(OWN.replace("reward: length, corpus: mine, rlhf: org/tuned@v1", "reward: length, corpus: mine"))
    assert {rule for rule, _ in jobs(snakemake(project, target, "--dry-run"))} == {"rlhf", "completions"}
    (project / "own.yaml").write_text(OWN)

    # the hub moves on: refused, the record kept until it is deleted
    fake_hub.lay_out(project / "hub", "model", "org/tuned", fake_hub.SECOND, fake_hub.contents(project / "tuned"), "v1")
    run = snakemake(project, str(record), "--forcerun", "tuned")
    said = [line for line in run.stderr.splitlines() if line.startswith("rewardscope: tuned: ")]
    assert run.returncode != 0 and len(said) == 1 and f"was commit {fake_hub.FIRST} and is now {fake_hub.SECOND}" in said[0]
    assert json.loads(record.read_text()) == tuned


@pytest.mark.workflow
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there_is_said_before_any_job(project):
    run = snakemake(project, f"{PAIR}/rlhf/completions.parquet", "--config", "device=cuda")
    said = "rewardscope: config: device is cuda, but torch sees no CUDA device here; it must be cpu or auto"
    assert run.returncode != 0 and run.stderr.splitlines().count(said) == 1 and not Path("results/corpora").exists()
