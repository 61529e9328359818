"""Where corpora, models, rewards and tuned checkpoints come from, in the config and in the DAG."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import fake_hub
import pandas as pd
import pytest
import tiny
import yaml

from rewardscope.config.config import ConfigError, check_files, load, tuned_checkpoint

ROOT = Path(__file__).parent.parent
OWN = """
corpora: {mine: {path: {train: data/train.jsonl, test: data/test.csv}, held: 0.5}}
models: {theirs: {path: base, sae: {widths: [16, 32], l1: 0.001}}, far: {hub: org/base, sae: {widths: [16, 32], l1: 0.001}}}
rewards: {length: {function: 'rewards.py:length'}}
pairs:
  - {model: theirs, reward: length, corpus: mine, rlhf: org/tuned@v1}
  - {model: far, reward: length, corpus: mine, rlhf: tuned}
  - {model: far, reward: utility, corpus: mine}
picks: {top: 1, low: 0}
runs: 2
completions: {documents: 4, prefix: 3, new: 4}
activations: {tokens: 16}
"""
PAIR = "results/pairs/theirs/length/run1"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A working directory with documents, two checkpoints, a reward function and a hub cache."""
    texts = [f"{text} <br />" for text in tiny.texts()]
    (tmp_path / "data").mkdir()
    pd.DataFrame({"text": texts[:30], "label": 1}).to_json(tmp_path / "data/train.jsonl", orient="records", lines=True)
    pd.DataFrame({"text": texts[30:], "label": 0}).to_csv(tmp_path / "data/test.csv", index=False)
    shutil.copytree(tiny.checkpoint("gpt_neox"), tmp_path / "base")
    tiny.build("gpt_neox", seed=9).save_pretrained(tmp_path / "tuned")
    tiny.tokenizer().save_pretrained(tmp_path / "tuned")
    (tmp_path / "rewards.py").write_text("def length(texts):\n    return [len(text) for text in texts]\n")
    (tmp_path / "own.yaml").write_text(OWN)
    for name, folder, ref in (("org/base", "base", "main"), ("org/tuned", "tuned", "v1")):
        fake_hub.lay_out(tmp_path / "hub", "model", name, fake_hub.FIRST, fake_hub.contents(tmp_path / folder), ref)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(change: str = ""):
    """The project's configuration, `change` over it."""
    merged = yaml.safe_load((ROOT / "config.yaml").read_text())
    for overlay in (OWN, change):
        merged = merge(merged, yaml.safe_load(overlay) or {})
    return load(merged)


def merge(base, overlay):
    both = isinstance(base, dict) and isinstance(overlay, dict)
    return {**base, **{key: merge(base.get(key), value) for key, value in overlay.items()}} if both else overlay


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "1"]
    command += [*arguments, "--configfile", str(folder / "own.yaml")]
    environment = {**os.environ, "HF_HUB_CACHE": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


def jobs(run: subprocess.CompletedProcess) -> list[tuple[str, str]]:
    """(rule, first output) of every job of a dry run."""
    assert run.returncode == 0, run.stderr
    return re.findall(r"^(?:local)?rule (\w+):.*?\n    output: (\S+?)(?:,| |$)", run.stdout + run.stderr, re.MULTILINE | re.DOTALL)


# ---- the config ------------------------------------------------------------------------------
def test_tuned_checkpoint(project):
    assert tuned_checkpoint("tuned") == {"path": "tuned"}
    for path in ("/no/where", "./untuned", "a/b/c", "~/x"):
        assert tuned_checkpoint(path) == {"path": path}
    assert tuned_checkpoint("org/name") == {"hub": "org/name", "revision": None}
    assert tuned_checkpoint("org/name@step9") == {"hub": "org/name", "revision": "step9"}
    assert tuned_checkpoint("untuned") == {"hub": "untuned", "revision": None}
    (project / "org/name@step9").mkdir(parents=True)
    assert tuned_checkpoint("org/name@step9") == {"path": "org/name@step9"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("corpora: {mine: {path: {test: data/none.csv}}}", "corpora.mine.path.test is data/none.csv"),
        ("models: {theirs: {path: nowhere}}", "models.theirs.path is nowhere"),
        ("pairs: [{model: tiny, reward: utility, corpus: reviews, rlhf: ./nowhere}]", "pairs[0].rlhf is ./nowhere"),
        ("models: {tiny: {pretrain: {corpus: gone}}}\ncorpora: {gone: {path: {train: a.txt, test: b.txt}}}\n"
         "pairs: [{model: tiny, reward: utility, corpus: reviews}]", "corpora.gone.path.train is a.txt"),
        ("rewards: {judge: {classifier: {path: nowhere}}}\npairs: [{model: tiny, reward: judge, corpus: reviews}]",
         "rewards.judge.classifier.path is nowhere"),
        ("rewards: {sentiment: {classifier: {train: {corpus: gone}}}}\ncorpora: {gone: {path: {train: a.txt, test: b.txt}}}\n"
         "pairs: [{model: tiny, reward: sentiment, corpus: reviews}]", "corpora.gone.path.train is a.txt"),
    ],
)  # fmt: skip
def test_files_that_a_pair_needs_must_be_there(project, change, said):
    check_files(config())
    with pytest.raises(ConfigError) as caught:
        check_files(config(change))
    assert str(caught.value) == f"config: {said}, which is not there; paths are relative to {project}"


def test_other_files_need_not_be_there(project):
    check_files(config("corpora: {gone: {path: {train: a.txt, test: b.txt}}}\nmodels: {gone: {path: a, sae: {widths: [1, 2], l1: 1}}}"))


# ---- the DAG ---------------------------------------------------------------------------------
@pytest.mark.workflow
def test_plan(project):
    """Who has a tuned checkpoint runs no PPO, and no second run of it."""
    planned = jobs(snakemake(project, "--dry-run"))
    assert sorted(output for rule, output in planned if rule == "tuned") == [
        "results/pairs/far/length/run1/rlhf/model", f"{PAIR}/rlhf/model"
    ]  # fmt: skip
    assert sorted(output for rule, output in planned if rule == "rlhf") == [f"results/pairs/far/utility/run{run}/rlhf/model" for run in (1, 2)]
    assert len([rule for rule, _ in planned if rule == "divergence"]) == 4
    assert {output for rule, output in planned if rule == "base_model"} == {"results/models/theirs/model", "results/models/far/model"}


@pytest.mark.workflow
def test_runs_and_reruns(project):
    """From files, folders, a hub cache and a function to completions; then only what a changed input touches is planned."""
    target, record = f"{PAIR}/rlhf/completions.parquet", Path(f"{PAIR}/rlhf/source.json")
    run = snakemake(project, target)
    assert run.returncode == 0, run.stderr
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
def test_a_mistake_is_one_line(project):
    """In a job as well as before the first one."""
    (project / "data/test.csv").write_text('text,label\n"cut short')
    run = snakemake(project, "results/corpora/mine/test.parquet")
    said = [line for line in run.stderr.splitlines() if "data/test.csv, line 2: not CSV" in line]
    assert run.returncode != 0 and len(said) == 1 and said[0].startswith("rewardscope: corpus: ")
    assert not [line for line in run.stderr.splitlines() if line.startswith("Traceback")]
    (project / "rewards.py").write_text("def other(texts): ...\n")
    run = snakemake(project, "--dry-run")
    assert run.returncode != 0 and run.stderr.splitlines()[-1] == "rewardscope: rewards.py: there is no function length; there: other"
