"""A pair of each architecture, tiny and random, through Snakemake to Table 3 and the findings."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
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


def check(folder: Path, read: list[str], refused: list[str]) -> None:
    """Those that can be read are in Table 3 and among the findings; the others ended in one line each, and cost nobody else anything."""
    ran = run(folder, [*read, *refused])
    said = ran.stdout + ran.stderr
    assert ran.returncode == bool(refused), said
    table3 = pd.read_csv(folder / "results/tables/table3.csv")
    assert sorted(table3["model"].unique()) == sorted(read) and table3[["m_base", "m_rlhf"]].notna().all(axis=None)
    findings = pd.read_parquet(folder / f"results/pairs/{read[0]}/utility/run1/findings.parquet")
    assert len(findings.columns) > 5
    assert all((folder / f"results/pairs/{kind}/utility/run1/findings.parquet").exists() for kind in read)
    lines = said.splitlines()
    failed = [line for line in lines if line.startswith("rewardscope: base_model: ")]
    assert len(failed) == len(refused) and all(any(f"{kind}/base: " in line for line in failed) for kind in refused)
    left = ", ".join(sorted(f"{kind}/utility" for kind in refused))
    assert not refused or f"rewardscope: without {left}, which failed: tables and report of the other pairs follow" in lines
