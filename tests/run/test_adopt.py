"""Copies of a workflow of two rules that Snakemake really ran: what is planned in them before and after `adopt`, and what is refused."""

import asyncio
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from workflow_runs import planned

from rewardscope.errors import UserError
from rewardscope.run import adopt

SNAKEFILE = """
import sys
from pathlib import Path
from rewardscope.run import adopt

UNKNOWN = adopt.watch(lambda: "out")

onstart:
    adopt.check_dates(workflow)
    if workflow.touch:
        sys.exit(adopt.adopt(workflow, Path("out")))

rule total:
    input: "out/numbers", "out/count"
    output: "out/total"
    log: "out/logs/total.log"
    params: code="b", settings={"words": ("a", "b"), 1: None}, unseen=lambda w, threads: config.get("unseen")
    script: "total.py"

rule numbers:
    input: "given.txt"
    output: directory("out/numbers"), "out/count"
    log: "out/logs/numbers.log"
    params: code=config.get("code", "a")
    script: "numbers.py"
"""
START = "from rewardscope.run import job\njob.start(snakemake)\nfrom pathlib import Path\n"
NUMBERS = "Path('out/numbers').mkdir(exist_ok=True)\nPath('out/numbers/1').write_text('one')\nPath('out/count').write_text('1')\n"
OPTIONS = ["--rerun-incomplete", "--rerun-triggers", "mtime", "params", "input", "software-env"]
ADOPT = [*OPTIONS, "--touch", "--forceall", "--quiet", "all"]


@pytest.fixture(scope="module")
def made(served, tmp_path_factory) -> Path:
    """The workflow's folder, everything made; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    texts = {"Snakefile": SNAKEFILE, "given.txt": "x", "numbers.py": START + NUMBERS, "total.py": START + "Path('out/total').write_text('1')\n"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    run = served(folder, *OPTIONS, snakefile=folder / "Snakefile")
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture
def copy(made, tmp_path) -> Path:
    """What a user copies: all that is not hidden, with new dates."""
    folder = tmp_path / "copy"
    folder.mkdir()
    subprocess.run(["cp", "-r", *(file for file in sorted(made.iterdir(), reverse=True) if not file.name.startswith(".")), folder], check=True)
    return folder


@pytest.fixture
def plan(served, copy):
    """The rules that a dry run of the copy plans."""
    return lambda *options: planned(served(copy, *OPTIONS, "--dry-run", *options, snakefile=copy / "Snakefile"))


def test_a_copy_is_never_taken_for_fresh_and_once_adopted_nothing_is_planned(served, copy, plan):
    run = served(copy, *OPTIONS, "--dry-run", snakefile=copy / "Snakefile")
    assert planned(run) == {"numbers", "total"}
    said = [line for line in run.stderr.splitlines() if line.startswith("rewardscope: ")]
    assert len(said) == 1 and "out/" in said[0] and "python -m rewardscope adopt" in said[0]
    for late in ("out/count", "out/numbers/.snakemake_timestamp"):  # of a machine whose clock is ahead
        os.utime(copy / late, (time.time() + 3600,) * 2)
    run = served(copy, *ADOPT, snakefile=copy / "Snakefile")
    assert (run.returncode, run.stdout, run.stderr) == (0, "out: results of 2 jobs adopted\n", "")
    files = ("given.txt", "out/numbers/.snakemake_timestamp", "out/count", "out/total")  # in the order of the jobs
    dates = [(copy / file).stat().st_mtime for file in files]
    assert dates == sorted(dates) and dates[-1] <= time.time()
    os.utime(copy / "total.py")
    assert plan("--config", "unseen=1") == set()
    assert plan("--config", "code=c") == {"numbers", "total"}


def test_what_is_not_as_recorded_is_made_again(served, copy, plan):
    (copy / "out/total").write_text("2")
    run = served(copy, *ADOPT, snakefile=copy / "Snakefile")
    assert run.returncode == 1 and run.stdout.splitlines() == [
        "not adopted: out/total: changed since it was made (out/total)",
        "out: results of 1 jobs adopted; 1 refused, which the next run makes again",
    ]
    assert plan() == {"total"}


def job(record: dict, **params: object) -> SimpleNamespace:
    """What Snakemake would have for the job of `out/total`: its params as recorded, and those given, which it does not compare."""
    names = {"rule": SimpleNamespace(name="total"), "input": ["out/numbers", "out/count"], "output": ["out/total"]}
    return SimpleNamespace(**names, params=record["params"] | params, non_derived_params=list(record["params"].values()))


def said_to_be(**changed: object) -> None:
    """Change the record of `out/total`."""
    file = Path("out/provenance/total.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


def freed() -> None:
    """The folder is gone, as freed activations are, and its record with it."""
    shutil.rmtree("out/numbers")
    Path("out/provenance/numbers.json").unlink()


REFUSED = [
    (lambda: Path("out/total").write_text("2"), "changed since it was made (out/total)"),
    (lambda: Path("out/numbers/1").write_text("two"), "made from another (out/numbers)"),
    (lambda: Path("out/numbers/2").touch(), "made from another (out/numbers)"),
    (freed, "made from another (out/numbers)"),
    (lambda: Path("out/provenance/total.json").unlink(), "no record of the job that made it"),
    (lambda: said_to_be(rule="other"), "no record of the job that made it"),
    (lambda: said_to_be(params={"code": "c", "old": None}), "made with other params (code, old, settings)"),
    (lambda: said_to_be(inputs={}), "made with other inputs (count, numbers)"),
    (lambda: said_to_be(outputs={"total": {"sha256": "0"}, "more": {}}), "made with other outputs (more)"),
]


@pytest.mark.parametrize(("change", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_why_a_result_is_refused(copy, monkeypatch, change, said):
    monkeypatch.chdir(copy)
    own = job(json.loads(Path("out/provenance/total.json").read_text()), unseen=[1])
    assert adopt.misfit(own, Path("out"), adopt.checksum) is None
    change()
    assert adopt.misfit(own, Path("out"), adopt.checksum) == said


def test_what_was_freed_goes_by_its_record(copy, monkeypatch):
    monkeypatch.chdir(copy)
    shutil.rmtree("out/numbers")
    assert adopt.misfit(job(json.loads(Path("out/provenance/total.json").read_text())), Path("out"), adopt.checksum) is None


class Dated(str):
    async def mtime_uncached(self):
        return SimpleNamespace(local=lambda: os.stat(self).st_mtime)


def test_a_file_dated_in_the_future_is_found_before_the_first_job(tmp_path):
    given, made = (Dated(tmp_path / name) for name in ("given.csv", "made.csv"))
    jobs = [SimpleNamespace(input=[given], output=[made]), SimpleNamespace(input=[made, Dated(tmp_path / "freed")], output=[])]
    workflow = SimpleNamespace(dag=SimpleNamespace(needrun_jobs=lambda: iter(jobs)), async_run=asyncio.run)
    for file, ahead in ((given, -60), (made, 3 * 3600)):  # what a job makes anew is dated anew
        Path(file).touch()
        os.utime(file, (time.time() + ahead,) * 2)
    adopt.check_dates(workflow)
    os.utime(given, (time.time() + 3 * 3600,) * 2)
    with pytest.raises(UserError, match=r"given\.csv: dated in the future \(20\d\d-") as told:
        adopt.check_dates(workflow)
    assert "\n" not in str(told.value)
    del jobs[0]
    with pytest.raises(UserError, match=r"made\.csv: dated in the future"):
        adopt.check_dates(workflow)
