"""Which pairs a run goes on without, and when it does not."""

import logging
from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.settings.types import DAGSettings

from rewardscope.errors import UserError
from rewardscope.run import job as ours
from rewardscope.run import without

PAIRS = ["one/utility", "one/length", "two/utility"]
OURS = UserError("no such folder")
TRACE = "Traceback (most recent call last):\n  File 'a.py', line 1, in b\n"


def job(tmp_path, error: BaseException | str | None = OURS, **wildcards):
    """A failed job and its log, as `error` has left it; a text is what a job that was killed has logged."""
    log = tmp_path / f"{len(list(tmp_path.iterdir()))}.log"
    if isinstance(error, str):
        log.write_text(error)
    elif error:
        handler = logging.FileHandler(log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))  # as `job.start`
        ours.log.addHandler(handler)
        ours._fail("rule", log, type(error), error, None)
        ours.log.removeHandler(handler)
    return SimpleNamespace(wildcards=wildcards, log=[str(log)])


@pytest.mark.parametrize(
    "wildcards, failed",
    [
        ({"pair": "pairs/one/length/run2"}, ["one/length"]),
        ({"site": "pairs/one/length/run1/rlhf", "part": "0"}, ["one/length"]),
        ({"site": "bases/one"}, ["one/length", "one/utility"]),
        ({"model": "two"}, ["two/utility"]),
        ({"corpus": "reviews"}, []),
        ({}, []),
        ({"model": "three"}, []),
    ],
)
def test_whose_a_job_is(tmp_path, wildcards, failed):
    assert without.failed_pairs([job(tmp_path, **wildcards)], PAIRS) == failed


def test_several_jobs(tmp_path):
    one, two, all_of_one = ({"pair": "pairs/one/length/run1"}, {"pair": "pairs/two/utility/run1"}, {"model": "one"})
    assert without.failed_pairs([job(tmp_path, **one), job(tmp_path, **two)], PAIRS) == ["one/length", "two/utility"]
    assert without.failed_pairs([job(tmp_path, **one), job(tmp_path)], PAIRS) == []  # a table of all
    assert without.failed_pairs([job(tmp_path, **all_of_one), job(tmp_path, **two)], PAIRS) == []  # none is left


@pytest.mark.parametrize("error", [UserError("no room"), ValueError("broken"), MemoryError(), ZeroDivisionError()])
def test_a_crash_of_its_own_is_the_pair_s(tmp_path, error):
    assert without.failed_pairs([job(tmp_path, error, pair="pairs/one/length/run1")], PAIRS) == ["one/length"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), "", None, f"{TRACE}ValueError: of a library that went on\n1 of 9\n"])
def test_a_job_that_was_killed_or_interrupted_is_nobody_s(tmp_path, error):
    assert without.failed_pairs([job(tmp_path, error, pair="pairs/one/length/run1")], PAIRS) == []


FILE = "results/pairs/one/length/run1/layers.json"


@pytest.mark.parametrize("arguments, goes_on", [
    (["--cores", "2"], True), (["--configfile", "F.yaml", "--cores=2", "results/tables/table3.csv"], True),
    (["-F"], False), (["--forceall"], False), (["-nF"], False), (["-f"], False), (["--force"], False),
    (["-R", "corpus"], False), (["--forcerun", "corpus"], False), (["--forcerun=corpus"], False), (["-Rcorpus"], False),
    ([FILE], False), (["--until", FILE], False), (["--until=" + FILE], False),
])  # fmt: skip
def test_the_second_run(monkeypatch, capsys, arguments, goes_on):
    ran = []
    asked = get_argument_parser().parse_args(arguments)
    settings = DAGSettings(asked.targets, forcetargets=asked.force, forceall=asked.forceall, forcerun=asked.forcerun, until=asked.until)
    monkeypatch.setattr(without.subprocess, "run", lambda command, env, check: ran.append((command[1:], env[without.VARIABLE])))
    monkeypatch.setenv(without.VARIABLE, "two/utility")
    without.go_on(["one/length"], settings, arguments)
    assert ran == [(["-m", "snakemake", *arguments], "two/utility one/length")] * goes_on
    assert ("without one/length, which failed" in capsys.readouterr().err) == goes_on
    without.go_on([], DAGSettings(), ["--cores", "2"])
    assert len(ran) == goes_on
    assert without.left_out() == ["two/utility"]
