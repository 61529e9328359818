"""A folder with a space and letters beyond ASCII: its environment, started in every way that Snakemake starts a job's Python, and `make demo`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config
from workflow_runs import ROOT, SMALL, environment_at

SNAKEFILE = """
from rewardscope.run import quoting

quoting.quote_python()
quoting.quote_python()  # again, as by a workflow of which this one is a module


rule all:
    input: "script.txt", "run.txt"

rule script:
    output: "script.txt"
    script: "name.py"

rule run:
    output: "run.txt"
    run:
        shell("echo {sys.executable:q} > {output:q}")
"""


@pytest.mark.workflow
def test_a_script_and_a_snakemake_beside_a_job(tmp_path):
    """`run:` is a second Snakemake, started as an executor on a cluster starts it."""
    folder = tmp_path / "Meine Prüfungen 我"
    python = environment_at(folder / "my env's")
    (folder / "Snakefile").write_text(f"import sys\n{SNAKEFILE}")
    (folder / "name.py").write_text("import sys\nopen(snakemake.output[0], 'w').write(sys.executable + '\\n')\n")
    run = subprocess.run(
        [python, "-m", "snakemake", "--cores", "1"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert (folder / "script.txt").read_text() == (folder / "run.txt").read_text() == f"{python}\n"


@pytest.mark.workflow
@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_demo(tmp_path):
    """The Makefile's own commands, in the project's own `.venv`, on a config of three jobs; the tables that it shows are there."""
    folder = tmp_path / "My Projects 我"
    python = environment_at(folder / ".venv")
    Path(python).with_name("snakemake").write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m snakemake "$@"\n')
    Path(python).with_name("snakemake").chmod(0o755)
    (folder / ".venv/ready").touch()
    for name in ("Makefile", "Snakefile", "pyproject.toml", "profiles", "src", "workflow"):
        (folder / name).symlink_to(ROOT / name)
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, yaml.safe_load(SMALL.read_text(encoding="utf-8")))
    update_config(config, {"targets": ["perplexity"], "models": {"tiny": {"pretrain": {"steps": 2}}}})
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "results/tables").mkdir(parents=True)
    for table in ("table3", "table4"):
        (folder / f"results/tables/{table}.csv").write_text(f"model\n{table} of the tiny one\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = ["make", "--assume-old=.venv/ready", "demo"]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert (folder / "results/models/tiny/perplexity.json").is_file()
    assert "table3 of the tiny one" in run.stdout and f"The report: {folder}/results/report.html (open it in a browser)" in run.stdout
