"""Copies of a finished project, results and all but `.snakemake`: refused, adopted, then exact again; a run that ends badly loses no work."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workflow_runs import PAIR, ROOT, SMALL, copied, planned

pytestmark = pytest.mark.workflow


def cp(flag: str, finished: Path, folder: Path) -> None:
    """The project and its results, as a user copies them."""
    sources = [ROOT / name for name in ("Snakefile", "config.yaml", "src", "workflow", "envs", "profiles")]
    subprocess.run(["cp", flag, *sources, finished / "results", folder], check=True)


def adopt(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rewardscope", "adopt", "--configfile", str(SMALL)]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("flag", ["-a", "-r"])
def test_a_copied_project_is_refused_then_adopted_and_nothing_is_planned(served, finished, tmp_path, flag):
    cp(flag, finished, tmp_path)
    table, snakefile = tmp_path / "results/tables/table4.csv", tmp_path / "Snakefile"
    before = table.read_bytes(), table.stat().st_mtime_ns
    run = served(tmp_path, "--configfile", str(SMALL), snakefile=snakefile)
    said = [line for line in run.stderr.splitlines() if line.startswith("rewardscope: ")]
    assert run.returncode != 0 and "adopt" in said[0] and said[-1].startswith("rewardscope: nothing was run"), run.stderr
    assert (table.read_bytes(), table.stat().st_mtime_ns) == before
    run = adopt(tmp_path)
    assert run.returncode == 0 and run.stdout.endswith(" jobs adopted\n"), run.stdout + run.stderr
    assert planned(served(tmp_path, "--dry-run", "--configfile", str(SMALL), snakefile=snakefile)) == set()


def test_after_adopting_a_key_and_a_script_make_stale_what_they_did_before(served, finished, tmp_path):
    cp("-r", finished, tmp_path)
    (tmp_path / "results/tables/table5.csv").write_text("")
    run = adopt(tmp_path)
    assert run.returncode == 1 and "not adopted: results/tables/table5.csv: changed since it was made" in run.stdout, run.stdout + run.stderr
    overlay = tmp_path / "overlay.yaml"

    def plan(change: str) -> set[str]:
        overlay.write_text(change)
        return planned(served(tmp_path, "--dry-run", "--configfile", str(SMALL), str(overlay), snakefile=tmp_path / "Snakefile"))

    assert plan("{}") == {"table5", "report"}
    assert plan("bootstrap: 300") == {"table4", "table5", "report"}
    script = tmp_path / "workflow/scripts/layers.py"
    script.write_text(script.read_text() + "\n# a comment: newer, and no other code\n")
    assert plan("{}") == {"table5", "report"}
    script = tmp_path / "workflow/scripts/table4.py"
    script.write_text(script.read_text() + "\nEXTRA = 1\n")
    assert plan("{}") == {"table4", "table5", "report"}


def test_a_word_list_dated_in_the_future_is_named_before_the_first_job(served, tmp_path):
    (tmp_path / "words.csv").write_text("word,utility\ngood,1\n")
    os.utime(tmp_path / "words.csv", (time.time() + 3 * 3600,) * 2)
    (tmp_path / "overlay.yaml").write_text("rewards: {utility: {words: words.csv}}")
    run = served(tmp_path, "--configfile", str(SMALL), "overlay.yaml")
    said = [line for line in run.stderr.splitlines() if line.startswith("rewardscope: ")]
    assert run.returncode != 0 and len(said) == 1 and said[0].startswith("rewardscope: words.csv: dated in the future"), run.stderr
    assert not (tmp_path / "results/corpora").exists()


def test_a_run_that_ends_badly_keeps_what_is_finished(served, finished, tmp_path):
    """As where Snakemake fails a finished job and deletes its outputs: PPO goes on from its state, which the next good run sweeps."""
    copied(finished, tmp_path)
    work = tmp_path / "results/.work/rlhf/pairs/tiny/utility/run1"
    work.mkdir(parents=True)
    (work / "finished").touch()
    (tmp_path / "overlay.yaml").write_text("models: {tiny: {sae: {widths: [32, 1000000000]}}}")
    target = f"{PAIR}/base/saes/paper/top1/width1000000000/seed1/sae.safetensors"
    assert served(tmp_path, "--configfile", str(SMALL), "overlay.yaml", "--", target).returncode != 0
    assert work.exists()
    run = served(tmp_path, "--configfile", str(SMALL), "--forcerun", "layers", "--", f"{PAIR}/layers.json")
    assert run.returncode == 0, run.stderr
    assert not work.exists()
