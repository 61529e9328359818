"""Is there room? Asked before the first heavy step, and refused with figures."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rewardscope.errors import UserError, brief

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


def need_context(name: str, lengths: Mapping[str, int], context: int | None) -> None:
    """Raise UserError where a text is longer than the model `name` reads. `lengths`: config key -> tokens; `context`: None where it says none."""
    for key, tokens in lengths.items():
        if context and tokens > context:
            raise UserError(f"{name}: {key} is {tokens}, but the model reads at most {context} tokens; lower it")


def available_memory() -> float:
    """Bytes that this process can have without swapping (Linux): the machine's, those left of its control group and of `ulimit -v`.

    Elsewhere the machine's memory.
    """
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kib = next(line.split()[1] for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable"))
    room = [int(kib) * 1024, *(_left(folder) for folder in _groups())]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        room.append(limit - int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(room))


def _groups(root: Path = Path("/sys/fs/cgroup"), member: Path = Path("/proc/self/cgroup")) -> list[Path]:
    """Folders of the control groups (version 2, or the memory controller's of version 1) that limit this process, its own first."""
    with suppress(OSError):
        for _, controllers, path in (line.split(":", 2) for line in member.read_text().splitlines()):
            if controllers in ("", "memory"):
                top = root / controllers
                group = top / path.lstrip("/")
                group = group if group.is_dir() else top  # in a container the path may be the host's
                return [folder for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return []


def _left(group: Path) -> float:
    """Bytes that a control group may still take; what it holds of files is given back when needed, and counts as left."""
    for limit, held in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        with suppress(OSError, ValueError):  # no such file, no limit ("max")
            cached = re.search(r"^(?:total_)?inactive_file (\d+)$", (group / "memory.stat").read_text(), re.MULTILINE)
            return int((group / limit).read_text()) - int((group / held).read_text()) + int(cached[1] if cached else 0)
    return float("inf")


def killed_for_memory() -> int:
    """How many processes of this one's control group the kernel has killed for want of memory so far."""
    for name in ("memory.events", "memory.oom_control"):
        for group in _groups()[:1]:
            with suppress(OSError):
                match = re.search(r"^oom_kill (\d+)$", (group / name).read_text(), re.MULTILINE)
                return int(match[1]) if match else 0
    return 0


# What lowers the memory that a rule's job holds at a time.
LOWERS = {
    "base_model": "models.<name>.pretrain.batch, tokens or d_model",
    "perplexity": "models.<name>.pretrain.tokens",
    "classifier": "rewards.<name>.classifier.train.batch or tokens",
    "rlhf": "rlhf.minibatch, batch or response_tokens",
    "completions": "completions.documents or new",
    "activations": "activations.batch_tokens or shard_tokens",
    "saes": "sae_seeds, models.<name>.sae.widths, sae_recipes.<name>.batch_documents or activations.shard_tokens",
    "given_saes": "activations.shard_tokens, or give smaller dictionaries",
    "nulls": "models.<name>.sae.widths or features.null_draws",
    "sweeps": "sweeps.seeds, models.<name>.sae.widths or activations.shard_tokens",
    "report": "report.features",
}
NO_MEMORY = re.compile(
    r"not enough memory|can't allocate memory|cannot allocate memory|out of memory|bad_alloc|bad alloc|alloc failed", re.IGNORECASE
)


def out_of_memory(rule: str, error: BaseException) -> str | None:
    """One line for an error that is a want of memory, Python's, a library's or the GPU's; None for any other."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if not ({"MemoryError", "OutOfMemoryError"} & kinds or (isinstance(error, (RuntimeError, OSError)) and NO_MEMORY.search(str(error)))):
        return None
    where = "the GPU" if "CUDA" in str(error) else f"memory ({gib(available_memory())} can be had, by the machine, control group and ulimit)"
    return f"{where} is too small: lower {lowers(rule)} ({brief(error)})"


def lowers(rule: str) -> str:
    """The keys and options that make a rule's job smaller, or leave it more."""
    return f"{LOWERS.get(rule, 'corpora.<name>.generate or the size of what it reads')}, or run fewer jobs at a time (--cores)"


def gib(size: float) -> str:
    """Bytes in the unit that reads best."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.1f} MiB"


def cuda_missing() -> bool:
    """Whether torch is installed here and sees no CUDA device; asked in a process of its own, which keeps nothing."""
    code = "import torch; raise SystemExit(3 * (not torch.cuda.is_available()))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 3


def need_cuda(device: str, local: bool) -> None:
    """Raises UserError where jobs that run on this machine (`local`) are to use a GPU that is not there; on a cluster each job sees for itself."""
    if device == "cuda" and local and cuda_missing():
        raise UserError("config: device is cuda, but torch sees no CUDA device here; it must be cpu or auto")
