"""Figures 3 and 4, Tables 6 and 7 and section 6.2 by the real DAG, from two tiny checkpoints that lie ready."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny

ROOT = Path(__file__).parents[2]
PAIR = "results/pairs/theirs/utility/run1"
OWN = """
corpora: {mine: {path: {train: train.csv, test: test.csv}, held: 0.5}}
models: {theirs: {path: base, sae: {widths: [16, 32], l1: 0.001}}}
pairs: [{model: theirs, reward: utility, corpus: mine, rlhf: tuned}]
picks: {top: 1, low: 1}
sae_seeds: 2
sae_recipes: {paper: {batch_documents: 2}}
activations: {tokens: 16}
features: {top_k: 3, min_fires: 1}
completions: {documents: 4, further: 0, prefix: 3, new: 4}
bootstrap: 100
sweeps: {seeds: 2, l1: {activations: [0.001, 0.1], weights: [0.01]}}
targets: [figure3, figure4, table6, table7, section6.2]
"""
FIGURES = [f"results/figures/{name}.{kind}" for name in ("figure3", "figure4", "table6", "section6.2") for kind in ("svg", "png", "csv")]
pytestmark = pytest.mark.workflow


def snakemake(folder: Path, *arguments: str) -> str:
    """What Snakemake says; it must succeed."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command += ["--configfile", "own.yaml"]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps")
    for part, texts in (("train", tiny.texts()[:30]), ("test", tiny.texts()[30:])):
        pd.DataFrame({"text": texts}).to_csv(folder / f"{part}.csv", index=False)
    shutil.copytree(tiny.checkpoint("gpt_neox"), folder / "base")
    tiny.build("gpt_neox", seed=9).save_pretrained(folder / "tuned")
    tiny.tokenizer().save_pretrained(folder / "tuned")
    (folder / "own.yaml").write_text(OWN)
    snakemake(folder)
    return folder


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"results/{name}.csv", keep_default_na=False, dtype={"layers": str, "overlap": str})


def test_tables_and_figures(finished):
    tensors = pd.read_csv(finished / PAIR / "divergence.csv")
    divergence = tensors[tensors["layer"] >= 0].groupby("layer")["distance"].sum()  # what is outside the blocks is no layer
    figure3 = table(finished, "figures/figure3")
    assert figure3["divergence"].tolist() == pytest.approx(divergence.tolist()) and figure3["runs"].tolist() == [1] * 3
    figure4 = table(finished, "figures/figure4")
    assert figure4[["width", "l1_on", "l1_coefficient", "sae_seeds"]].values.tolist() == [
        [width, on, l1, 2] for width in (16, 32) for on, l1 in (("activations", 0.001), ("activations", 0.1), ("weights", 0.01))
    ]
    top, low = str(divergence.idxmax()), "0"
    table6, table7 = table(finished, "tables/table6"), table(finished, "tables/table7")
    assert table6[["width", "weights", "layers"]].values.tolist() == [
        [width, weights, top] for width in (16, 32) for weights in ("tied", "untied", "untied - tied")
    ]
    shared = low if low in top else ""
    assert table7[["choice", "layers", "overlap"]].values.tolist() == [
        ["top", top, shared], ["low", low, shared], ["low - top", "", shared]
    ] * 4  # fmt: skip
    tied = table7[(table7["choice"] == "top") & table7["tied"]]
    assert tied["fvu"].tolist() == table6[table6["weights"] == "tied"]["fvu"].tolist()
    assert len(table(finished, "figures/section6.2")) == 1 and (table(finished, "tables/section6.2")["ci_low"] == "").all()


def test_low_layers_are_for_table_7_alone(finished):
    base = finished / "results/bases/theirs"  # which all runs of the model share
    assert (base / "sweeps/tied/low1.width16.parquet").exists() and (base / "sweeps/l1/top1.width16.parquet").exists()
    assert not (base / "sweeps/l1/low1.width16.parquet").exists()
    assert not list((finished / "results").rglob("saes/paper/low1"))


def test_figures_are_drawn_again_byte_for_byte(finished):
    before = {file: (finished / file).read_bytes() for file in FIGURES}
    for file in FIGURES:
        (finished / file).unlink()
    said = snakemake(finished)
    assert {file: (finished / file).read_bytes() for file in FIGURES} == before
    assert "rule sweeps:" not in said
