"""`make dag`: Snakemake's own graphs, in the folder that the config names; in a project whose path has a space and letters beyond ASCII."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workflow_runs import ROOT


@pytest.mark.workflow
@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize(("overlay", "results", "jobs"), [("", "results", 112), ("meine paper.yaml", "my paper", 516)])
def test_make_dag(tmp_path, monkeypatch, overlay, results, jobs):
    tmp_path = tmp_path / "Prüfung für 我"
    tmp_path.mkdir()
    if overlay:
        paper = (ROOT / "config/paper.yaml").read_text(encoding="utf-8")
        (tmp_path / overlay).write_text(paper.replace("results: results/paper", f'results: "{results}" # mine'), encoding="utf-8")
    for name in ("Makefile", "Snakefile", "config.yaml", "config", "profiles", "src", "workflow"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/dot").write_text('#!/bin/sh\ncat > "$3"\n')  # what Graphviz would draw: dot -Tsvg -o FILE
    (tmp_path / "bin/dot").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    command = ["make", "--assume-old=.venv/ready", "dag", f"BIN={Path(sys.executable).parent}", f"CONFIG={overlay}"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    folder = tmp_path / results / "dag"
    graphs = {name: (folder / f"{name}.mmd").read_text() for name in ("rules", "jobs")}
    assert all(re.match(r"---\ntitle: DAG\n---\nflowchart TB\n\tid0\[all\]\n", graph) for graph in graphs.values())  # and nothing before it
    nodes = {name: re.findall(r"^\tid\d+\[(\w+)", graph, re.MULTILINE) for name, graph in graphs.items()}
    assert len(nodes["jobs"]) == jobs and set(nodes["jobs"]) == set(nodes["rules"]) and len(set(nodes["rules"])) == len(nodes["rules"])
    for name in nodes:
        assert len(re.findall(r"^\t\d+\[label", (folder / f"{name}.svg").read_text(), re.MULTILINE)) == len(nodes[name])
    assert not (tmp_path / results / "logs").exists()
