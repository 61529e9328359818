"""What a changed project reruns, what a job is refused, where the profile is found: whole runs and copies of the project."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from test_workflow import AFTER_SAES
from workflow_runs import PAIR, ROOT, copied, planned, snakemake

pytestmark = pytest.mark.workflow


def test_changed_code_reruns_the_steps_that_import_it(finished, tmp_path):
    """On a copy of the project: a comment changes nothing, a change of sae.py what trains or reads SAEs."""
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("src", "workflow", "envs", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    copied(finished, tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}

    def plan() -> set[str]:
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--dry-run", "--configfile", str(ROOT / "tests/small.yaml")]
        return planned(subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False))

    assert plan() == set()
    for command in (["init", "-q"], ["add", "src"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    records = tmp_path / "src/rewardscope/run/provenance.py"
    records.write_text(records.read_text() + "\nEXTRA = 1\n")
    assert plan() == set()  # neither a commit nor a dirty tree nor what only writes records
    module = tmp_path / "src/rewardscope/sae/model.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    assert plan() == set()
    module.write_text(module.read_text() + "\nEXTRA = 1\n")
    assert plan() == AFTER_SAES


def test_a_width_far_above_the_memory_is_refused_with_figures(finished, tmp_path):
    """At the start where it is beyond reason, in the job where that was given too little memory; nothing is left behind."""
    copied(finished, tmp_path)
    (tmp_path / "overlay.yaml").write_text("models: {tiny: {sae: {widths: [32, 2049]}}}")
    run = snakemake(tmp_path, "--configfile", str(ROOT / "tests/small.yaml"), "overlay.yaml")
    said = "rewardscope: config: models.tiny.sae.widths[1] is 2049; it must be at most 64 times d_model (32)"
    assert run.returncode != 0 and run.stderr.splitlines()[-1] == said
    (tmp_path / "overlay.yaml").write_text("models: {tiny: {sae: {widths: [32, 2048]}}}")
    place = f"{PAIR}/base/saes/paper/top1"
    options = ["--configfile", str(ROOT / "tests/small.yaml"), "overlay.yaml", "--", f"{place}/width2048/seed1/sae.safetensors"]
    said = r"rewardscope: saes: training 2 autoencoders of width 2048 would take \S+ [GM]iB of memory, but \S+ MiB can be had with mem_mb 1020;"
    run = snakemake(tmp_path, "--default-resources", "mem_mb=1020", *options)
    assert run.returncode != 0 and re.search(said, run.stderr), run.stderr
    assert {path.name for path in (tmp_path / place).iterdir() if any(path.rglob("*.safetensors"))} == {"width32", "width64"}


@pytest.mark.workflow
def test_where_the_profile_is_found(served, tmp_path):
    """Beside the root Snakefile from anywhere, beside the other one from the root alone; without it a run says so, and locks all the same."""
    said = "Using workflow specific profile "
    assert f"{said}{ROOT}/profiles/default" in served(tmp_path, "--dry-run").stderr
    assert f"{said}profiles/default" in served(ROOT, "--dry-run", "--directory", str(tmp_path), snakefile=ROOT / "workflow/Snakefile").stderr
    run = snakemake(tmp_path, "--", "results/corpora/reviews/train.parquet", snakefile=ROOT / "workflow/Snakefile")
    assert run.returncode == 0, run.stderr
    assert said not in run.stderr and f"--workflow-profile {ROOT}/profiles/default" in run.stderr
    assert (tmp_path / "results/.work/lock").read_text() == ""  # held, and let go
