"""Is there room? Asked before the first heavy step, and refused with figures."""

import os
import shutil
from pathlib import Path

from rewardscope.errors import UserError

SPARE = 0.05  # of a disk or of memory is left to others
BESIDE = 1e9  # bytes of a job's `mem_mb` that Python, torch and, on a cluster, Snakemake beside it take
WIDEST = 64  # an autoencoder may be this many times as wide as the model: beyond, a figure was mistyped


def need_disk(folder: str | Path, size: float, what: str, hint: str) -> None:
    """Raise UserError where the disk of `folder` has less than `size` bytes free; `hint` says what would help."""
    free = shutil.disk_usage(folder).free
    if size > free * (1 - SPARE):
        raise UserError(f"{what} would take {gib(size)}, but the disk of {folder} has {gib(free)} free; {hint}")


def need_memory(size: float, what: str, hint: str, mem_mb: float | None = None, on_gpu: float | None = None) -> None:
    """Raise UserError where less than `size` bytes of memory can be had; `hint` says what would help.

    What can be had is the machine's, or the job's where it was given `mem_mb`; for work on a GPU the bytes `on_gpu`.
    """
    if on_gpu is not None:
        free, where = on_gpu, " on the GPU"
    elif mem_mb is not None:
        free, where = min(available_memory(), max(0.0, mem_mb * 1e6 - BESIDE)), f" with mem_mb {mem_mb:g}"
    else:
        free, where = available_memory(), ""
    if size > free * (1 - SPARE):
        raise UserError(f"{what} would take {gib(size)} of memory, but {gib(free)} can be had{where}; {hint}")


def need_width(width: int, d_model: int) -> None:
    """Raise UserError where an autoencoder would be beyond reason; of a model made here the config has said so."""
    if width > WIDEST * d_model:
        raise UserError(f"an autoencoder of width {width} is more than {WIDEST} times as wide as the model ({d_model}); lower its model's sae.widths")


def available_memory() -> float:
    """Bytes that can be had without swapping (Linux); elsewhere the machine's memory."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        kib = next(line.split()[1] for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable"))
        return int(kib) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gib(size: float) -> str:
    """Bytes in the unit that reads best."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.1f} MiB"
