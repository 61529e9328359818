"""Exports by the real DAG: from a finished run they run nothing again, and hold every autoencoder, feature, explanation and finding of it."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from workflow_runs import PAIR, copied, planned, snakemake

import rewardscope
from rewardscope.export import frames

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    copied(finished, folder)
    assert planned(snakemake(folder, "--dry-run", "results/export")) == {"export"}
    run = snakemake(folder, "--", "results/export")
    assert run.returncode == 0, run.stderr
    return folder / "results/export"


def test_every_autoencoder_computes_the_same(exported):
    results = exported.parent
    made = sorted(file.parent.relative_to(exported) for file in exported.rglob("sae_weights.safetensors"))
    assert made == sorted(file.parent.relative_to(results) for file in results.glob("pairs/**/saes/**/sae.safetensors")) and len(made) == 8
    for place in made:
        stored, cfg = load_file(results / place / "sae.safetensors"), json.loads((exported / place / "cfg.json").read_text())
        t = load_file(exported / place / "sae_weights.safetensors")
        x = torch.randn(20, cfg["d_in"], generator=torch.Generator().manual_seed(1))
        f = torch.relu(x @ stored["w_enc"].T + stored["b_enc"])
        theirs = torch.relu(x @ t["W_enc"] + t["b_enc"])
        assert torch.allclose(f, theirs, atol=1e-5)
        assert torch.allclose(f @ stored["w_enc"] + stored["b_dec"], theirs @ t["W_dec"] + t["b_dec"], atol=1e-5)
        assert torch.equal(rewardscope.load_sae(exported / place).rows, stored["w_enc"])
    layer = json.loads((results / f"{PAIR}/layers.json".removeprefix("results/")).read_text())["top1"]
    metadata = json.loads((exported / "pairs/tiny/utility/run1/rlhf/saes/paper/top1/width32/seed2/cfg.json").read_text())["metadata"]
    assert metadata["hook_name"] == f"blocks.{layer}.hook_mlp_out" and metadata["model_name"] == "tiny/utility/run1"
    assert metadata["rewardscope"] == {"model": "tiny", "reward": "utility", "run": 1, "side": "rlhf", "recipe": "paper", "pick": "top1",
                                       "layer": layer, "width": 32, "seed": 2}  # fmt: skip


def test_tables_are_those_that_the_api_gives(exported):
    results = rewardscope.open(exported.parent)
    order = ["model", "reward", "run", "side", "pick", "seed"]
    for table, more in {
        "saes": ["width"],
        "features": ["feature"],
        "explanations": ["sample", "feature"],
        "findings": ["mode", "contexts", "rank"],
    }.items():
        keys = [key for key in order + more if table != "findings" or key in ("model", "reward", *more)]
        ours, theirs = (
            frame[list(frames.TABLES[table])].sort_values(keys, ignore_index=True)
            for frame in (pd.read_parquet(exported / f"{table}.parquet"), getattr(results, table)())
        )
        assert len(ours) > 0
        simple = [name for name in keys if name in ours]
        pd.testing.assert_frame_equal(ours[simple], theirs[simple], check_dtype=False)
    assert all((exported / path / "sae_weights.safetensors").exists() for path in pd.read_parquet(exported / "saes.parquet")["path"])
    assert "tuned here on utility" in (exported / "README.md").read_text()


def test_the_target_is_planned_by_the_config(finished, tmp_path):
    (tmp_path / "overlay.yaml").write_text("targets: [export]")
    run = snakemake(finished, "--dry-run", "--configfile", str(Path(__file__).parents[1] / "small.yaml"), str(tmp_path / "overlay.yaml"))
    assert planned(run) == {"export"}
