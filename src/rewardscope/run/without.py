"""A pair that fails costs only itself: a second run makes the tables and the report of the other pairs, and says what is missing.

It is the same command with the failed pairs in the variable `VARIABLE` of its environment, which the Snakefile and its jobs read.

A job fails by an exception of its own: what a user can mend, a crash, a want of memory that Python was told of. Not so one that was killed. The
kernel takes the process that holds most, whoever wanted more, and a person or a cluster that ends a job may mean the run: its pair is not
known to be at fault, so nothing goes on, and the same command tries it again.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rewardscope.text import plain

if TYPE_CHECKING:
    from snakemake.settings.types import DAGSettings

VARIABLE = "REWARDSCOPE_WITHOUT"
ENDED = "the job ended by its own "  # in its log, and an exception's name; a job that was killed or interrupted says nothing


def left_out() -> list[str]:
    """The pairs, `model/reward`, that this run goes on without."""
    return os.environ.get(VARIABLE, "").split()


def failed_pairs(jobs: Iterable, pairs: list[str]) -> list[str]:
    """Which of the pairs, `model/reward`, the failed jobs (Snakemake's) are of.

    None where a job is of no pair or of all, as another run would end the same way, or did not end by an exception of its own.
    """
    out = set()
    for job in jobs:
        wildcards = dict(job.wildcards.items())
        path = (wildcards.get("pair") or wildcards.get("site") or "").split("/")
        model = wildcards.get("model") or (path[1] if path[0] == "bases" else None)
        of = {f"{path[1]}/{path[2]}"} if path[0] == "pairs" else {pair for pair in pairs if model and pair.split("/")[0] == model}
        log = Path(job.log[0]) if job.log else None
        if not of or not log or not log.exists() or f" {ENDED}" not in log.read_text(encoding="utf-8", errors="replace"):
            return []
        out |= of
    return sorted(out) if out < set(pairs) else []


def go_on(failed: list[str], asked: "DAGSettings", arguments: list[str]) -> None:
    """Run the command with these arguments again, the failed pairs left out.

    Not where it has `asked` Snakemake to force jobs, as a second run would make again what the first has made, or for a file of one of the pairs.
    """
    named = {*asked.targets, *asked.until, *asked.omit_from}
    if not failed or asked.forceall or asked.forcetargets or asked.forcerun or any(pair in name for pair in failed for name in named):
        return
    print(plain(f"rewardscope: without {', '.join(failed)}, which failed: tables and report of the other pairs follow"), file=sys.stderr, flush=True)
    variables = {**os.environ, VARIABLE: " ".join([*left_out(), *failed])}
    subprocess.run([sys.executable, "-m", "snakemake", *arguments], env=variables, check=False)
