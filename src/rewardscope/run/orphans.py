"""A job does not outlive the Snakemake that started it.

After `kill -9` of Snakemake its jobs would go on, collected by nobody, and race those of the next run. So each job
watches Snakemake, and the shell in between, and ends with either.
"""

import os
import select
import threading
import time

VARIABLE = "REWARDSCOPE_SNAKEMAKE"


def announce() -> None:
    """Tell the jobs of this process (each Snakemake that reads the Snakefile, on a cluster the one beside the job) who it is."""
    os.environ[VARIABLE] = str(os.getpid())


def watch() -> None:
    """End this process at once, as `kill -9` would, when its Snakemake has ended; nothing is watched where there is none."""
    if VARIABLE in os.environ:
        pids = {int(os.environ[VARIABLE]), os.getppid()}
        threading.Thread(target=_end_with, args=(pids,), daemon=True, name="orphans").start()


def _end_with(pids: set[int]) -> None:
    _wait_for_one(pids)
    try:
        os.write(2, b"rewardscope: Snakemake has ended, and so does this job\n")
    finally:  # who read it may have ended too
        os._exit(1)


def _wait_for_one(pids: set[int]) -> None:
    """Return when one of these processes has ended, or at once where one had ended before."""
    try:
        poll = select.poll()
        for pid in pids:
            poll.register(os.pidfd_open(pid), select.POLLIN)
        poll.poll()
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # before Linux 5.3, and elsewhere, the kernel does not tell: ask it
        while all(_exists(pid) for pid in pids):
            time.sleep(1)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # a question, not a signal
    except ProcessLookupError:
        return False
    return True
