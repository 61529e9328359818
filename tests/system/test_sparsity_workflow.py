"""An L0 in place of an L1 coefficient, through the DAG: found on the base side, the same on both."""

import json
from pathlib import Path

import pytest
from own_sources import OWN, PAIR, jobs, snakemake

PLACE = "saes/paper/layer1"
BASE, TUNED = f"results/bases/theirs/{PLACE}", f"{PAIR}/rlhf/{PLACE}"
SAES = [f"{place}/width16/seed1" for place in (BASE, TUNED)]


def with_l0(l0: int) -> str:
    """Layers are pinned, so that the base waits for no divergence and lies under bases/."""
    return OWN.replace("l1: 0.001}}, far", f"l0: {l0}}}}}, far").replace("picks: {top: 1, low: 0}\nruns: 2", "layers: [1]") + "sae_seeds: 1\n"


@pytest.mark.workflow
def test_both_sides_have_the_coefficient_that_was_found_on_the_base(project):
    (project / "own.yaml").write_text(with_l0(4))
    targets = [f"{folder}/metrics.json" for folder in SAES]
    run = snakemake(project, *targets)
    assert run.returncode == 0, run.stderr
    found = json.loads(Path(f"{BASE}/l1.json").read_text())
    assert found["wanted"] == 4 and [found["l1"], found["l0"]] in found["tried"] and not Path(f"{TUNED}/l1.json").exists()
    assert [json.loads(Path(f"{folder}/cfg.json").read_text())["l1"] for folder in SAES] == [found["l1"]] * 2
    assert jobs(snakemake(project, *targets, "--dry-run")) == []
    (project / "own.yaml").write_text(with_l0(5))
    assert {rule for rule, _ in jobs(snakemake(project, *targets, "--dry-run"))} == {"sparsity", "saes"}
