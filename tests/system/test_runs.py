"""Whole runs of the real DAG at test size: two of them are alike to the byte, and a classifier is a reward like any other."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
from test_workflow import EVERY
from workflow_runs import ROOT, copied, planned, snakemake

pytestmark = pytest.mark.workflow


def hashes(folder: Path) -> dict[str, str]:
    """Tables, weights and Parquet files by content: what two runs on one machine must share."""
    kinds = (".csv", ".parquet", ".safetensors", ".jsonl", ".json")
    skipped = ("logs", "benchmarks", "provenance", ".work")
    files = [f for f in (folder / "results").rglob("*") if f.suffix in kinds and not set(skipped) & set(f.parts)]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(files)}


def test_two_runs_from_scratch_are_byte_identical(finished, tmp_path):
    run = snakemake(tmp_path)
    assert run.returncode == 0, run.stderr
    ours, theirs = hashes(finished), hashes(tmp_path)
    assert len(ours) > 40
    assert ours == theirs


CLASSIFIER = """
pairs: [{model: tiny, reward: sentiment, corpus: reviews}]
rewards: {sentiment: {classifier: {train: {layers: 1, d_model: 16, vocabulary: 300, tokens: 32, batch: 8, steps: 20}}}}
targets: [table4, quality, comparison, accuracy]
"""


def test_a_classifier_as_reward(finished, tmp_path):
    """Trained, measured, learnt from and asked about completions; what follows is planned as for any reward."""
    copied(finished, tmp_path)
    (tmp_path / "overlay.yaml").write_text(CLASSIFIER)
    options = ["--configfile", str(ROOT / "tests/small.yaml"), "overlay.yaml"]
    pair, judge = "results/pairs/tiny/sentiment/run1", "results/rewards/sentiment"
    explained = f"{pair}/rlhf/explanations/paper/top1/tokens/seed1.sample1.jsonl"
    everything = planned(snakemake(tmp_path, "--dry-run", *options, "--", "all", explained))
    assert everything == {
        "classifier", "accuracy", "rlhf", "divergence", "layers", "activations", "saes", "nulls", "features", "feature_activations",
        "explanations", "comparison", "quality", "completions", "spread", "table4",
    }  # fmt: skip
    run = snakemake(tmp_path, *options, "--", EVERY[1], f"{judge}/metrics.json")
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / judge / "source.json").read_text())["trained"]["steps"] == 20
    assert json.loads((tmp_path / judge / "metrics.json").read_text()).keys() >= {"accuracy", "ci_low", "ci_high", "prefix_accuracy"}
    table = pd.read_csv(tmp_path / EVERY[1])
    assert table[["m_base", "m_rlhf", "difference", "p_value"]].isna().all(axis=None)
    found = [pd.read_parquet(tmp_path / pair / side / "completions.parquet") for side in ("base", "rlhf")]
    assert table["reward_difference"][0] == pytest.approx(found[1]["reward"].mean() - found[0]["reward"].mean())
    assert not found[0]["words"].map(len).any() and found[0]["reward"].nunique() > 5
