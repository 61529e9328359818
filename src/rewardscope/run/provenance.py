"""What a job read, ran and wrote: a JSON record of each finished job, under `<results>/provenance/`.

The record of an artifact lies at `provenance/<artifact>.json`. A job of several outputs has one record, at its first
output, and links to it at the others. Records are no input, output or param of a rule, so they make nothing stale, and
`code.digest` leaves this module out. They hold what the job's params and files hold, never a variable of the environment.
Paths in a record are relative to the results folder.
"""

import json
import logging
import os
import platform
import resource
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import rewardscope
from rewardscope.checksums import differing, fingerprint, remember
from rewardscope.errors import UserError
from rewardscope.files import whole

PROJECT = Path(__file__).parents[3]
CODE = ("Snakefile", "workflow", "src")  # what `clean` speaks of: small whatever lies beside it; the config is in the params
log = logging.getLogger("rewardscope")


def results(snakemake) -> Path:
    """The results folder of a job: its log and its outputs share it alone."""
    return Path(os.path.commonpath([snakemake.log[0], snakemake.output[0]]))


def begin(snakemake) -> dict:
    """What is known of a job before it runs, for `finish`; removes what was recorded of its outputs before.

    Raises UserError where an input is not what was made.
    """
    folder = results(snakemake)
    remember(folder)
    outputs, params = list(snakemake.output), dict(snakemake.params.items())
    for path in outputs:
        record_file(folder, name_in(path, folder)).unlink(missing_ok=True)
    return {
        "results": folder,
        "outputs": outputs,
        "clock": time.monotonic(),
        "git": _ask_git(PROJECT),
        "record": {
            "rule": snakemake.rule,
            "wildcards": dict(snakemake.wildcards.items()),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "params": params,
            "seeds": {name: params[name] for name in ("seed", "run", "seeds") if name in params},
            "threads": snakemake.threads,
            "inputs": _inputs(snakemake.input, folder),
        },
    }


def finish(begun: dict) -> None:
    """Write the record of a job that has made all its outputs."""
    results, outputs = begun["results"], begun["outputs"]
    if not all(map(os.path.exists, outputs)):  # it left by sys.exit
        return
    record = {
        **begun["record"],
        "seconds": round(time.monotonic() - begun["clock"], 3),
        "peak_memory_mib": peak_memory(),
        "device": _device(),
        "rewardscope": rewardscope.__version__,
        "python": platform.python_version(),
        "libraries": _libraries(),
        "git": _answer(begun["git"]),
        "outputs": {name_in(path, results): fingerprint(Path(path)) for path in outputs},
    }
    first, *others = (record_file(results, name) for name in record["outputs"])
    try:
        with whole(first) as file:
            file.write_text(json.dumps(record, indent=1, default=str) + "\n")
        for link in others:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(first, link.parent))
    except OSError as error:
        log.warning("no provenance record: %s", error)


def record_file(results: Path, name: str) -> Path:
    """Where the record of an artifact lies."""
    return results / "provenance" / f"{name}.json"


def load(file: Path) -> dict | None:
    """A record; None where there is none that can be read."""
    try:
        record = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("outputs"), dict) else None


def peak_memory() -> int:
    """The most memory that this process, or one that it started and that has ended, has held, MiB."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024


def name_in(path: str, results: Path) -> str:
    """A path as records have it: relative to the results folder; an absolute one outside of it stays as it is."""
    relative = os.path.relpath(path, results)
    return path if os.path.isabs(path) and relative.startswith("../") else relative


def _inputs(paths, results: Path) -> dict[str, str]:
    """SHA-256 of each input.

    Raises UserError for one that cannot be read, or is not what the job that made it has left: damage, or a change by hand.
    """
    record_of, hashes = cache(load), {}
    for path in paths:
        name = name_in(path, results)
        made = record_of(record_file(results, name).resolve()) or {"outputs": {}}
        try:
            now = fingerprint(Path(path))
        except OSError as error:
            raise UserError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
        then = made["outputs"].get(name, now)
        if now["sha256"] != then["sha256"]:
            where = "/".join([path, *differing(now, then)[:1]])
            raise UserError(
                f"{where}: not what rule {made['rule']} has written (damaged or changed); delete {path}, and {made['rule']} makes it anew"
            )
        hashes[name] = now["sha256"]
    return hashes


def _libraries() -> dict[str, str]:
    """Versions of the distributions whose modules this job has imported; nothing heavy is imported to know them."""
    versions = {}
    for name, module in sorted(sys.modules.items()):
        if "." in name or name.startswith(("_", "rewardscope", "snakemake_")) or name in sys.stdlib_module_names:
            continue
        version = getattr(module, "__dict__", {}).get("__version__") or _installed(name)
        if isinstance(version, str):
            versions[name] = str(version)
    return versions


def _installed(name: str) -> str | None:
    from importlib import metadata  # 20 ms where no library has imported it before

    with suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return None


def _device() -> str:
    """The GPU where this job used one, else the processor."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        return torch.cuda.get_device_name()
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _ask_git(root: Path) -> subprocess.Popen | None:
    """Ask for the commit and for changes of `CODE`, without waiting; None where the package is not in a checkout."""
    if not (root / "Snakefile").exists():  # installed elsewhere: a repository around it is not ours
        return None
    command = ["git", "--no-optional-locks", "-C", str(root), "status", "--porcelain=v2", "--branch", "--no-ahead-behind"]
    with suppress(OSError):
        return subprocess.Popen(
            [*command, "--untracked-files=normal", "--", *CODE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    return None


def _answer(asked: subprocess.Popen | None) -> dict | None:
    """`commit`, and whether the code is `clean`, i.e. as committed."""
    if asked is None:
        return None
    try:
        lines = asked.communicate(timeout=10)[0].splitlines()
    except subprocess.TimeoutExpired:
        asked.kill()
        return None
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), None)
    if asked.returncode or commit in (None, "(initial)"):
        return None
    return {"commit": commit, "clean": all(line.startswith("#") for line in lines)}
