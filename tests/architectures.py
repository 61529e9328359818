"""A pair of each architecture, tiny and random, through Snakemake to Table 3 and the findings."""

import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import yaml

ROOT = Path(__file__).parent.parent
SETTINGS = {
    "corpora": {"mine": {"path": {"train": "train.csv", "test": "test.csv"}, "held": 0.5}},
    "layers": [1],
    "sae_seeds": 2,
    "sae_recipes": {"paper": {"batch_documents": 2}},
    "activations": {"tokens": 16},
    "features": {"top_k": 3, "min_fires": 1, "null_draws": 3},
    "completions": {"further": 0, "prefix": 3, "new": 4},
    "findings": {"completions": 8, "prefix": 3, "new": 4},
    "targets": ["table3", "findings"],
}


def run(folder: Path, kinds: list[str]) -> subprocess.CompletedProcess:
    """What Snakemake says of a pair of each kind, named by it, with the reward `utility`."""
    for part, texts in (("train", tiny.texts()[:30]), ("test", tiny.texts()[30:])):
        pd.DataFrame({"text": texts}).to_csv(folder / f"{part}.csv", index=False)
    for kind in kinds:
        for side, seed in (("base", 3), ("tuned", 4)):
            tiny.changed(kind, seed=seed).save_pretrained(folder / kind / side)
            tiny.tokenizer().save_pretrained(folder / kind / side)
    models = {kind: {"path": f"{kind}/base", "sae": {"widths": [16, 32], "l1": 0.001}} for kind in kinds}
    pairs = [{"model": kind, "reward": "utility", "corpus": "mine", "rlhf": f"{kind}/tuned"} for kind in kinds]
    (folder / "own.yaml").write_text(yaml.safe_dump({"models": models, "pairs": pairs, **SETTINGS}))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", "--configfile", "own.yaml"]
    return subprocess.run(command, cwd=folder, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False)


def headline(folder: Path, kind: str, side: str) -> float:
    """Table 3's `m` of a side, from its files: the sum of |utility| over the words that explanations quote, the mean over dictionary seeds."""
    lexicon = resources.files("vaderSentiment").joinpath("vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    utility = {fields[0].lower(): abs(float(fields[1])) for fields in (line.split("\t") for line in lexicon) if len(fields) > 1}
    sums = []
    for seed in range(1, SETTINGS["sae_seeds"] + 1):
        places = [f"results/pairs/{kind}/utility/run1/{of}/explanations/paper/layer1/tokens/seed{seed}.sample1.jsonl" for of in ("base", "rlhf")]
        lines = {of: (folder / place).read_text(encoding="utf-8").splitlines() for of, place in zip(("base", "rlhf"), places, strict=True)}
        alike = min(SETTINGS["features"]["top_k"], *map(len, lines.values()))  # of both sides as many
        quoted = [word for line in lines[side][:alike] for text in json.loads(line)["words"] for word in re.findall(r"[a-z']+", text.lower())]
        sums.append(sum(utility.get(word, 0.0) for word in quoted))
    return float(np.mean(sums))


def check(folder: Path, read: list[str], refused: list[str]) -> None:
    """Those that can be read are in Table 3 and among the findings; the others ended in one line each, and cost nobody else anything."""
    ran = run(folder, [*read, *refused])
    said = ran.stdout + ran.stderr
    assert ran.returncode == bool(refused), said
    table3 = pd.read_csv(folder / "results/tables/table3.csv")
    assert sorted(table3["model"].unique()) == sorted(read) and table3[["m_base", "m_rlhf"]].notna().all(axis=None)
    for _, row in table3.iterrows():
        assert [row["m_base"], row["m_rlhf"]] == pytest.approx([headline(folder, row["model"], side) for side in ("base", "rlhf")], rel=1e-12)
    assert (table3[["m_base", "m_rlhf"]] > 0).any(axis=None)
    findings = pd.read_parquet(folder / f"results/pairs/{read[0]}/utility/run1/findings.parquet")
    assert len(findings.columns) > 5
    assert all((folder / f"results/pairs/{kind}/utility/run1/findings.parquet").exists() for kind in read)
    lines = said.splitlines()
    failed = [line for line in lines if line.startswith("rewardscope: base_model: ")]
    assert len(failed) == len(refused) and all(any(f"{kind}/base: " in line for line in failed) for kind in refused)
    left = ", ".join(sorted(f"{kind}/utility" for kind in refused))
    assert not refused or f"rewardscope: without {left}, which failed: tables and report of the other pairs follow" in lines
