"""This run's jobs in Slurm, found by the name that the executor plugin gives to all of them."""

import logging
import re
import subprocess
import time
from typing import NamedTuple

from rewardscope.errors import UserError, brief

PATIENCE = 120  # seconds that Slurm may take to end cancelled jobs: it sends SIGTERM, waits KillWait (30 s by default), kills


class Job(NamedTuple):
    """A job that has not ended."""

    number: str
    state: str
    what: str
    """The plugin's comment: rule and wildcards."""


def listen() -> list[str]:
    """A list that will hold the name of this run's jobs, once the executor plugin has said it; empty where there is no Slurm.

    The plugin says it in Snakemake's log, before the run begins, and nowhere else in public. A filter hears it whatever `--quiet` hides.
    """
    names = []

    def hear(record: logging.LogRecord) -> bool:
        if name := re.match(r"SLURM run ID: (\S+)", record.getMessage() or ""):
            names[:] = [name[1]]
        return True

    logging.getLogger("snakemake.logging").addFilter(hear)
    return names


def jobs(run: str) -> list[Job]:
    """Jobs of the run `run` that wait or run, members of arrays one by one. Raises UserError where Slurm does not answer."""
    lines = _ask("squeue", "--noheader", "--array", f"--name={run}", "--format=%i|%T|%k").splitlines()
    return [Job(*line.split("|", 2)) for line in lines]


def cancel(run: str) -> None:
    """Cancel every job of the run and return when none is left. Raises UserError where that takes longer than PATIENCE."""
    end = time.monotonic() + PATIENCE
    _ask("scancel", f"--name={run}")
    while left := jobs(run):
        if time.monotonic() > end:
            raise UserError(f"Slurm has not ended these jobs yet: {' '.join(job.number for job in left)}; try again later")
        time.sleep(1)


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except FileNotFoundError as error:
        raise UserError(f"no {command[0]} here: go to a machine where Slurm's commands are") from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{command[0]} does not answer: try again later") from error
    except subprocess.CalledProcessError as error:
        raise UserError(f"{command[0]} failed ({brief(RuntimeError(error.stderr))})") from error
