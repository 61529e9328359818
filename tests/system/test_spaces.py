"""An environment in a folder with a space and letters beyond ASCII, started in every way that Snakemake starts a job's Python."""

import os
import subprocess

import pytest
from workflow_runs import ROOT, environment_at

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
