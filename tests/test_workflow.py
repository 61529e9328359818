"""The real DAG, at a very small size, from a clean directory: results, reruns, staleness, bad input."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAIR = "results/pairs/tiny/utility/run1"
EVERY = ["results/tables/table3.csv", "results/tables/table4.csv", "results/tables/quality.csv", f"{PAIR}/comparison.parquet"]
pytestmark = pytest.mark.workflow


def snakemake(folder: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile") -> subprocess.CompletedProcess:
    """Run Snakemake in `folder` on the test-size config."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--cores", "2"]
    command += ["--configfile", str(ROOT / "tests/small.yaml"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500, check=False)


def planned(run: subprocess.CompletedProcess) -> set[str]:
    """Rules that a dry run would execute."""
    assert run.returncode == 0, run.stderr
    lines = (run.stdout + run.stderr).splitlines()
    return {line.split()[1].rstrip(":") for line in lines if line.startswith(("rule ", "localrule "))} - {"all"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run = snakemake(folder)
    assert run.returncode == 0, run.stderr
    return folder


def hashes(folder: Path) -> dict[str, str]:
    """Tables, weights and Parquet files by content: what two runs on one machine must share."""
    kinds = (".csv", ".parquet", ".safetensors", ".jsonl", ".json")
    skipped = ("logs", "benchmarks", ".work")
    files = [f for f in (folder / "results").rglob("*") if f.suffix in kinds and not set(skipped) & set(f.parts)]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(files)}


def test_tables_have_the_contract_s_columns(finished):
    shared = "model reward m_base m_rlhf difference ci_low ci_high p_value samples top_k explainer unit runs sae_seeds".split()
    three, four = (pd.read_csv(finished / file) for file in EVERY[:2])
    assert set(shared) <= set(three) and set(shared) <= set(four)
    assert {"reward_base", "reward_rlhf", "reward_difference", "reward_ci_low", "reward_ci_high"} <= set(four)
    assert three["model"].tolist() == four["model"].tolist() == ["tiny"]
    assert three["unit"][0] == "SAE seed" and four["unit"][0] == "prompt"
    assert four["samples"][0] == 10


def test_artifacts_of_the_contract_are_there(finished):
    site = finished / PAIR / "rlhf"
    layers = json.loads((finished / PAIR / "layers.json").read_text())
    assert list(layers) == ["top1"] and layers["top1"] in range(4)
    divergence = pd.read_csv(finished / PAIR / "divergence.csv")
    assert divergence.groupby("layer")["distance"].sum().idxmax() == layers["top1"]
    index = pd.read_parquet(site / "activations/tokens.parquet")
    assert {"document", "part", "corpus", "position", "token"} <= set(index)
    for path in ("saes/paper/top1/width32/seed2/sae.safetensors", "nulls/paper/top1.parquet",
                 "features/paper/top1/seed1.parquet", "features/paper/top1/seed1.activations.parquet"):  # fmt: skip
        assert (site / path).exists(), path
    lines = (site / "explanations/paper/top1/tokens/seed1.sample1.jsonl").read_text().splitlines()
    assert {"feature", "activates_on", "promotes", "evidence", "explainer"} <= set(json.loads(lines[0]))
    assert not list((finished / "results").rglob("*.partial"))


def test_feature_activations_are_those_of_the_stored_sae(finished):
    """Independent of the code under test: a feature's activations from the shards by NumPy."""
    import numpy as np
    from safetensors.numpy import load_file

    site = finished / PAIR / "base"
    index = pd.read_parquet(site / "activations/tokens.parquet")
    shards = sorted((site / "activations/top1/part0").glob("fit-*")) + sorted((site / "activations/top1/part0").glob("held-*"))
    x = np.concatenate([load_file(file)["x"] for file in shards])
    sae = load_file(site / "saes/paper/top1/width32/seed1/sae.safetensors")
    stored = pd.read_parquet(site / "features/paper/top1/seed1.activations.parquet")
    feature = int(stored["feature"].iloc[0])
    value = np.maximum(x @ sae["w_enc"][feature] + sae["b_enc"][feature], 0)
    dense = index.assign(value=value)[value > 1e-5].sort_values(["document", "position"])
    ours = stored[(stored["feature"] == feature) & (stored["value"] > 1e-5)]
    assert ours[["document", "position"]].to_numpy().tolist() == dense[["document", "position"]].to_numpy().tolist()
    assert np.allclose(ours["value"], dense["value"], atol=1e-5)


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in (run := snakemake(finished)).stderr + run.stdout


def test_two_runs_from_scratch_are_byte_identical(finished, tmp_path):
    run = snakemake(tmp_path)
    assert run.returncode == 0, run.stderr
    ours, theirs = hashes(finished), hashes(tmp_path)
    assert len(ours) > 40
    assert ours == theirs


AFTER_SAES = {"saes", "nulls", "features", "feature_activations", "explanations", "comparison", "table3", "quality"}
STALE = [
    ("sae_recipes: {paper: {learning_rate: 0.002}}", AFTER_SAES),
    ("features: {null_draws: 4}", {"nulls", "quality"}),
    ("explain: {words: 6}", {"explanations", "table3"}),
    ("completions: {temperature: 0.9}", {"completions", "table4"}),
    ("bootstrap: 300", {"table4"}),
]


@pytest.mark.parametrize(("change", "rules"), STALE, ids=[change for change, _ in STALE])
def test_a_changed_key_reruns_what_reads_it(finished, tmp_path, change, rules):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(change)
    assert planned(snakemake(finished, "--dry-run", "--configfile", str(ROOT / "tests/small.yaml"), str(overlay))) == rules


def test_a_changed_reward_keeps_corpus_and_base_model(finished, tmp_path):
    (finished / "words.csv").write_text("word,utility\ngood,1\n")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("rewards: {utility: {words: words.csv}}")
    rules = planned(snakemake(finished, "--dry-run", "--configfile", str(ROOT / "tests/small.yaml"), str(overlay)))
    assert "rlhf" in rules and "table3" in rules
    assert not {"corpus", "base_model", "perplexity"} & rules


def test_changed_code_reruns_the_steps_that_import_it(finished, tmp_path):
    """On a copy of the project: a comment changes nothing, a change of sae.py what trains or reads SAEs."""
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("src", "workflow", "envs", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(finished / "results", tmp_path / "results", copy_function=os.link)
    shutil.copytree(finished / ".snakemake", tmp_path / ".snakemake", ignore=shutil.ignore_patterns("locks", "log"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}

    def plan() -> set[str]:
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--dry-run", "--configfile", str(ROOT / "tests/small.yaml")]
        return planned(subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False))

    assert plan() == set()
    module = tmp_path / "src/rewardscope/sae.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    assert plan() == set()
    module.write_text(module.read_text() + "\nEXTRA = 1\n")
    assert plan() == AFTER_SAES


CLASSIFIER = """
pairs: [{model: tiny, reward: sentiment, corpus: reviews}]
rewards: {sentiment: {classifier: {train: {layers: 1, d_model: 16, vocabulary: 300, tokens: 32, batch: 8, steps: 20}}}}
targets: [table4, quality, comparison, accuracy]
"""


def test_a_classifier_as_reward(finished, tmp_path):
    """Trained, measured, learnt from and asked about completions; what follows is planned as for any reward."""
    shutil.copytree(finished / "results", tmp_path / "results", copy_function=os.link)
    shutil.copytree(finished / ".snakemake", tmp_path / ".snakemake", ignore=shutil.ignore_patterns("locks", "log"))
    (tmp_path / "overlay.yaml").write_text(CLASSIFIER)
    options = ["--configfile", str(ROOT / "tests/small.yaml"), "overlay.yaml"]
    pair, judge = "results/pairs/tiny/sentiment/run1", "results/rewards/sentiment"
    explained = f"{pair}/rlhf/explanations/paper/top1/tokens/seed1.sample1.jsonl"
    everything = planned(snakemake(tmp_path, "--dry-run", *options, "--", "all", explained))
    assert everything == (AFTER_SAES - {"table3"}) | {
        "classifier", "accuracy", "rlhf", "divergence", "layers", "activations", "completions", "table4"
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


MISTAKES = [
    ("sae_sedes: 3", "sae_seeds"),
    ("sae_seeds: many", "sae_seeds"),
    ("models: {tiny: {sae: {widths: [0, 64]}}}", "widths"),
    ("picks: {top: 9}", "picks.top"),
    ("pairs: [{model: tini, reward: utility, corpus: reviews}]", "did you mean tiny"),
    ("pairs: [{model: tiny, reward: utilty, corpus: reviews}]", "did you mean utility"),
    ("rewards: {utility: {words: broken.csv}}", "broken.csv, line 3: the utility of 'bad' is 'none', not a number"),
    ("rewards: {utility: {words: nowhere.csv}}", "nowhere.csv: cannot be read"),
]


@pytest.mark.parametrize(("change", "said"), MISTAKES, ids=[change for change, _ in MISTAKES])
def test_a_bad_config_is_one_line_and_writes_nothing(tmp_path, change, said):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(change)
    (tmp_path / "broken.csv").write_text("word,utility\ngood,1\nbad,none\n")
    run = snakemake(tmp_path, "--configfile", str(ROOT / "tests/small.yaml"), str(overlay))
    lines = [line for line in (run.stdout + run.stderr).splitlines() if "profile" not in line and "Config file" not in line]
    assert run.returncode != 0
    assert len(lines) == 1 and lines[0].startswith("rewardscope: ") and said in lines[0]
    assert not (tmp_path / "results").exists()


def test_conda_environments_pin_what_pyproject_pins():
    import tomllib

    pinned = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    for file in (ROOT / "envs").glob("*.yaml"):
        ours = next(d["pip"] for d in yaml.safe_load(file.read_text())["dependencies"] if isinstance(d, dict))
        assert set(ours) <= pinned, file.name
