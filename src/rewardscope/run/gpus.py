"""Each job of a machine takes a free GPU for itself, by a lock that ends with its process.

Snakemake runs as many jobs at a time as there are cores and sets no CUDA_VISIBLE_DEVICES, so that all of them would
land on the first GPU. `CUDA_VISIBLE_DEVICES`, where it is set, says which GPUs may be taken. In a Slurm job nothing
is taken: Slurm has handed the GPUs out.
"""

import fcntl
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from rewardscope.errors import UserError

LOCKS = Path("/tmp")  # the same for every process of the machine, which $TMPDIR need not be
ASK = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
log = logging.getLogger("rewardscope")
_held = []  # open files: closing one would free its lock


def take() -> list[str]:
    """Wait for a GPU that no other job holds; it is held until this process ends. Returns its UUID, for CUDA to see alone.

    None are taken where there is no NVIDIA GPU, where `CUDA_VISIBLE_DEVICES` is empty, and in a Slurm job.
    """
    if "SLURM_JOB_ID" in os.environ:
        return []
    allowed = _allowed(os.environ.get("CUDA_VISIBLE_DEVICES"))
    waited = False
    while allowed:
        if (uuid := next(filter(_locked, allowed), None)) is not None:
            return [uuid]
        if not waited:
            log.info("waiting for a GPU: other jobs hold all %d; `--resources gpu=%d` starts no more jobs than can run", len(allowed), len(allowed))
        waited = True
        time.sleep(1)
    return []


def missing() -> bool:
    """Whether torch is installed beside Snakemake and sees no CUDA device; asked in a process of its own, which keeps nothing."""
    code = "import torch; raise SystemExit(3 * (not torch.cuda.is_available()))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 3


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


def _locked(uuid: str) -> bool:
    """Lock a GPU; false where another job holds it."""
    file = LOCKS / f"rewardscope-{uuid}.lock"
    try:
        lock = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)  # it may be another user's: reading is enough for a lock
    except FileNotFoundError:
        lock = os.open(file, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _held.append(lock)
    return True
