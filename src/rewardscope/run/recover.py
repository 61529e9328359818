"""After a crash of Snakemake on a cluster: cancel what it has left in Slurm, free its results folder, say what to run.

Jobs in Slurm outlive a killed Snakemake, and the next one does not know of them: it would submit them again, and two
would write the same files. So `run_lock` refuses to start while there are any.
"""

from pathlib import Path

from rewardscope.errors import UserError
from rewardscope.run import lock as run_lock
from rewardscope.run import slurm
from rewardscope.text import plain


def recover(folder: str | Path, yes: bool) -> int:
    """Clear up after the run that was killed in a results folder, asking first unless `yes`; 0 when a new run can start.

    Raises UserError while the run is still at work.
    """
    if not run_lock.file_of(folder).exists():
        raise UserError(f"{folder}: no results folder, or none that a run was started in")
    with run_lock.opened(folder) as (stream, left):
        if left is None:
            print(f"{folder}: no run has been left behind here")
            return 0
        if left.elsewhere and not _agreed(f"A run was started here on {left.host} (process {left.pid}). Has it ended for sure?", yes):
            return 1
        jobs = slurm.jobs(left.slurm) if left.slurm else []
        for job in jobs:
            print(f"{job.number}  {job.state:<10}  {plain(job.what)}")
        if jobs:
            if not _agreed(f"Cancel these {len(jobs)} jobs of {left.slurm}?", yes):
                return 1
            slurm.cancel(left.slurm)
            print(f"{len(jobs)} jobs cancelled")
        stream.truncate(0)
    print(f"{folder} is free; finished steps are kept. To go on:\n  {left.command}")
    return 0


def _agreed(question: str, yes: bool) -> bool:
    if yes:
        return True
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # nobody is there to ask
        raise UserError("nobody to ask; --yes takes every answer for yes") from None
