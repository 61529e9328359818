"""A pair that fails costs only itself: the others' tables and report are made in the same run and say what is missing, and made again once it is mended."""

import pandas as pd
import pytest
import tiny
import yaml
from workflow_runs import snakemake

TARGETS = ["table4", "step4", "quality", "findings", "report"]
OVERLAY = {
    "pairs": [
        {"model": "tiny", "reward": "utility", "corpus": "reviews"},
        {"model": "tiny", "name": "theirs", "rlhf": "theirs", "corpus": "reviews"},
    ],
    "targets": TARGETS,
}
pytestmark = pytest.mark.workflow


def test_the_others_are_told_of(tmp_path):
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(OVERLAY))
    tiny.build("llama").save_pretrained(tmp_path / "theirs")  # of another architecture than its base
    tiny.tokenizer().save_pretrained(tmp_path / "theirs")
    run = snakemake(tmp_path, "own.yaml")
    said = run.stdout + run.stderr
    assert run.returncode == 1
    assert "rewardscope: tuned: " in said and "without tiny/theirs, which failed: tables and report of the other pairs follow" in said
    assert pd.read_csv(tmp_path / "results/tables/quality.csv")["reward"].dropna().unique().tolist() == ["utility"]
    report = (tmp_path / "results/report.html").read_text()
    assert "Left out, because it failed: tiny/theirs." in report and not list((tmp_path / "results").glob("pairs/tiny/theirs/*/rlhf/model"))
    asked = snakemake(tmp_path, "own.yaml", "results/pairs/tiny/theirs/run1/divergence.csv")
    assert asked.returncode == 1 and "tables and report of the other pairs follow" not in asked.stdout + asked.stderr
    overlay = OVERLAY | {"pairs": OVERLAY["pairs"][:1] + [{**OVERLAY["pairs"][1], "rlhf": "results/pairs/tiny/utility/run1/rlhf/model"}]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(overlay))
    plan = snakemake(tmp_path, "own.yaml", "-n", "results/report.html")
    assert plan.returncode == 0 and "rule report:" in plan.stdout + plan.stderr and "rule rlhf:" not in plan.stdout + plan.stderr
