"""Jobs of one machine take GPUs that are free, by locks that end with their process: one has its GPU alone, or a few small ones share it.

Snakemake runs as many jobs at a time as there are cores and sets no CUDA_VISIBLE_DEVICES, so that all of them would
land on the first GPU. `CUDA_VISIBLE_DEVICES`, where it is set, says which GPUs may be taken. In a Slurm job nothing
is taken: Slurm has handed the GPUs out.
"""
import fcntl
import logging
import os
import subprocess
import time
from itertools import chain
from pathlib import Path

from rewardscope.errors import UserError

LOCKS = Path("/tmp")  # the same for every process of the machine, which $TMPDIR need not be
ASK = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
log = logging.getLogger("rewardscope")
_held = []  # open files: closing one would free its lock


def take(count: int = 1, share: int = 1) -> list[str]:
    """Wait for GPUs that no other job holds; they are held until this process ends. Returns their UUIDs, for CUDA to see alone.

    With a `share` above 1 one GPU is taken, which so many jobs that say the same may have at a time.

    None are taken where there is no NVIDIA GPU, where `CUDA_VISIBLE_DEVICES` is empty, and in a Slurm job.
    """
    if "SLURM_JOB_ID" in os.environ:
        return []
    allowed = _allowed(os.environ.get("CUDA_VISIBLE_DEVICES"))
    if not allowed:
        return []
    if count > len(allowed):
        raise UserError(f"the job needs {count} GPUs, and this machine lets it have {len(allowed)}")
    waited = False
    while not (uuids := _take_all(allowed, count, share)):
        if not waited:
            log.info("waiting for %d of %d GPUs: other jobs hold them; `--resources gpu=%d` starts no more jobs than can run", count, len(allowed), len(allowed))
        waited = True
        time.sleep(1)
    return uuids


def _take_all(allowed: list[str], count: int, share: int) -> list[str]:
    """Lock so many GPUs, or none: two jobs must not wait for each other."""
    taken = {}
    for place in range(share):
        for uuid in allowed:
            if len(taken) < count and uuid not in taken and (locks := _take(uuid, place if share > 1 else None)):
                taken[uuid] = locks
    if len(taken) < count:
        for lock in chain.from_iterable(taken.values()):
            os.close(lock)
        return []
    _held.extend(chain.from_iterable(taken.values()))
    return list(taken)


def _allowed(visible: str | None) -> list[str]:
    """UUIDs of the GPUs that this job may use, in the order of `visible`, the value of CUDA_VISIBLE_DEVICES."""
    try:
        lines = subprocess.run(ASK, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # no NVIDIA driver here
        return []
    uuids = dict(line.split(", ") for line in lines)  # index -> UUID, as `nvidia-smi` shows them
    if visible is None:
        return list(uuids.values())
    asked = [name.strip() for name in visible.split(",") if name.strip()]
    for name in asked:
        if name.isdigit() and name not in uuids:
            raise UserError(f"CUDA_VISIBLE_DEVICES names GPU {name}; nvidia-smi knows {', '.join(uuids)}")
    return [uuids.get(name, name) for name in asked]


def _take(uuid: str, place: int | None) -> list[int]:
    """The locks of one GPU, or of one place on it: open files. None where another job holds it."""
    whole = _lock(uuid, fcntl.LOCK_EX if place is None else fcntl.LOCK_SH)
    if whole is None or place is None:
        return [] if whole is None else [whole]
    own = _lock(f"{uuid}.{place}", fcntl.LOCK_EX)
    if own is None:
        os.close(whole)
        return []
    return [whole, own]


def _lock(name: str, kind: int) -> int | None:
    """An open file with a lock of this kind; None where another job's lock stands against it."""
    file = LOCKS / f"rewardscope-{name}.lock"
    try:
        lock = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)  # it may be another user's: reading is enough for a lock
    except FileNotFoundError:
        lock = os.open(file, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
