"""What a killed run leaves in Slurm: here commands of Slurm's names over a list of jobs, in system/test_slurm.py a real Slurm."""

import builtins
import logging
import socket

import pytest

from rewardscope.errors import UserError
from rewardscope.run import lock as run_lock
from rewardscope.run import slurm
from rewardscope.run.recover import recover

MINE, OTHER = "rewardscope_1", "rewardscope_2"
SQUEUE = """#!/bin/sh
for argument; do case $argument in --name=*) name=${{argument#--name=}};; esac; done
grep "^$name " {queue} | cut -d' ' -f2-
exit 0
"""
SCANCEL = """#!/bin/sh
sed -i "/^${{1#--name=}} /d" {queue}
"""


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A results folder whose run was killed and left two jobs in Slurm, where somebody has another one."""
    queue = tmp_path / "queue"
    queue.write_text(f"{MINE} 7|RUNNING|rule_rlhf_wildcards_x\n{MINE} 8_1|PENDING|rule_saes_wildcards_y\n{OTHER} 9|RUNNING|rule_rlhf\n")
    for name, text in (("squeue", SQUEUE), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text.format(queue=queue))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    leave(tmp_path / "results", socket.gethostname(), MINE)
    return tmp_path / "results"


def leave(folder, host: str, slurm: str) -> None:
    run_lock.file_of(folder).parent.mkdir(parents=True, exist_ok=True)
    run_lock.file_of(folder).write_text(f"{host} 12 {slurm}\nsnakemake --profile profiles/slurm 'a b'")


def answer(monkeypatch, *answers: str) -> None:
    given = iter(answers)
    monkeypatch.setattr(builtins, "input", lambda question: next(given))


def test_its_jobs_stop_the_next_run_until_they_are_cancelled(results, monkeypatch, capsys):
    with pytest.raises(UserError, match=rf"a killed run has left 2 jobs in Slurm; python -m rewardscope recover {results}$"):
        run_lock.hold(results)
    answer(monkeypatch, "y")
    assert recover(results, yes=False) == 0
    assert (results.parent / "queue").read_text() == f"{OTHER} 9|RUNNING|rule_rlhf\n"
    said = capsys.readouterr().out
    assert "8_1  PENDING     rule_saes_wildcards_y" in said and "To go on:\n  snakemake --profile profiles/slurm 'a b'" in said
    run_lock.hold(results, OTHER)
    assert run_lock.file_of(results).read_text().splitlines()[0].endswith(OTHER)
    run_lock.release()
    assert recover(results, yes=False) == 0


def test_no_is_no(results, monkeypatch):
    answer(monkeypatch, "")
    assert recover(results, yes=False) == 1
    assert (results.parent / "queue").read_text().count("\n") == 3 and run_lock.file_of(results).read_text()


def test_a_run_of_another_host_is_asked_about(results, monkeypatch):
    leave(results, "faraway", "")
    answer(monkeypatch, "n", "y")
    assert recover(results, yes=False) == 1
    assert recover(results, yes=False) == 0
    run_lock.hold(results)
    run_lock.release()


def test_a_run_at_work_is_left_alone(results):
    leave(results, socket.gethostname(), "")
    run_lock.hold(results, MINE)
    with pytest.raises(UserError, match="another run is at work here"):
        recover(results, yes=True)
    run_lock.release()
    assert (results.parent / "queue").read_text().count("\n") == 3


def test_where_there_is_no_slurm_or_no_run(results, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no results folder"):
        recover(tmp_path / "elsewhere", yes=True)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="no squeue here: go to a machine where Slurm's commands are"):
        recover(results, yes=True)
    assert run_lock.file_of(results).read_text()


def test_the_name_of_the_jobs_is_heard_in_snakemake_s_log(monkeypatch):
    log = logging.getLogger("snakemake.logging")
    monkeypatch.setattr(log, "filters", [])
    monkeypatch.setattr(log, "level", logging.INFO)
    name = slurm.listen()
    log.info(None, extra={"event": None})
    assert name == []
    log.info(f"SLURM run ID: {MINE}")  # as snakemake-executor-plugin-slurm 2.8.0 says it
    log.info("Submitted job 1")
    assert name == [MINE]
