"""A project with documents, checkpoints, a reward function and a hub of its own, for tests here and in system/."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import fake_hub
import pandas as pd
import tiny

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
completions: {documents: 4, further: 0, prefix: 3, new: 4}
activations: {tokens: 16}
"""
PAIR = "results/pairs/theirs/length/run1"


def lay_out(tmp_path: Path) -> None:
    """Documents, two checkpoints, a reward function and a hub cache."""
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


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "1"]
    command += [*arguments, "--configfile", str(folder / "own.yaml")]
    environment = {**os.environ, "HF_HUB_CACHE": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


def jobs(run: subprocess.CompletedProcess) -> list[tuple[str, str]]:
    """(rule, first output) of every job of a dry run."""
    assert run.returncode == 0, run.stderr
    return re.findall(r"^(?:local)?rule (\w+):.*?\n    output: (\S+?)(?:,| |$)", run.stdout + run.stderr, re.MULTILINE | re.DOTALL)
