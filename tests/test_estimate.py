"""The time that a dry run says the paper's grid takes, against sums by hand and the jobs of the real DAG."""
from collections import Counter
from pathlib import Path

import pytest
from test_plan import merged

from rewardscope import dag, estimate

ROOT = Path(__file__).parent.parent
FLOPS = 2e13


@pytest.fixture(scope="module")
def config():
    return merged("paper.yaml")


def test_a_job_of_each_kind(config):
    """25,000 reviews of 256 tokens; 390 updates of 64 episodes of (2 + 9) / 2 + 16 tokens."""
    tokens, episodes = 25_000 * 256, 390 * 64
    assert estimate.extraction(config, "pythia-410m", tokens) == pytest.approx(2 * 302.3e6 * tokens / FLOPS)
    assert estimate.training(config, "pythia-410m", tokens, 2048) == pytest.approx(12 * 2048 * 1024 * tokens * 3 * 6 / FLOPS)
    assert estimate.ppo(config, "pythia-70m", "utility") == pytest.approx(390 * 4 + (3 + 4 * 6) * 2 * 70.4e6 * episodes * 21.5 / FLOPS)


def test_as_many_jobs_as_the_dag_has(config, monkeypatch):
    monkeypatch.chdir(ROOT)
    jobs, _, _ = dag.plan(Path("Snakefile"), [Path("config/paper.yaml")])
    planned = Counter(job.rule for job in jobs)
    assert {stage.rule: stage.jobs for stage in estimate.stages(config)} == {stage.rule: planned[stage.rule] for stage in estimate.stages(config)}
    assert planned["saes"] == 7 * 2 * 5 * 2


def test_pinned_layers_share_the_base_side(config):
    pinned = merged("runs.yaml").model_copy(update={"models": config.models, "pairs": config.pairs[:4] * 2, "corpora": config.corpora, "rewards": config.rewards})
    jobs = {stage.rule: stage.jobs for stage in estimate.stages(pinned)}
    assert (jobs["rlhf"], jobs["activations"], jobs["saes"]) == (16, 16 + 4, (16 + 4) * 2)  # two runs a pair, one layer


def test_what_is_said(config):
    """With one GPU all work in a row; with many no less than the longest chain."""
    said = estimate.lines(config)
    stages = estimate.stages(config)
    chain = sum(stage.longest["pythia-410m"] for stage in stages)
    total = sum(stage.total for stage in stages)
    minutes = f"{chain / 60:.0f} min"
    assert chain < total / 8 and total / 64 < chain
    eight = f"{total / 8 / 60:.0f} min"
    assert f"longest chain: 8 jobs of pythia-410m, {minutes}; at least, with 1 GPU {total / 3600:.1f} h, 8 GPUs {eight}, 64 GPUs {minutes}" in said
    assert "saes                 140" in said[5]
    assert all("assumed" in line or "measured" in line for line in said[-3:])


def test_nothing_is_said_of_models_of_unknown_size():
    assert estimate.lines(merged("runs.yaml")) == []
