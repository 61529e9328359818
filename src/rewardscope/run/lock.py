"""One run at a time in a results folder, by a lock that ends with its process.

Snakemake's own lock files outlive `kill -9` and want `--unlock`; the profile turns them off (`nolock`). The kernel
frees this one however the run ends, so that one can just run again. The jobs that a killed run has left in Slurm
do not end with it: while there are any, no run starts, and `python -m rewardscope recover` clears up.
"""

import errno
import fcntl
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from rewardscope.errors import UserError
from rewardscope.run import slurm

_held = []  # open files: closing one would free its lock


class Run(NamedTuple):
    """What a run's lock file says: `host pid slurm`, then the command line."""

    host: str
    pid: str
    slurm: str
    """The name of the run's jobs in Slurm, "" where it submits none."""
    command: str

    @property
    def elsewhere(self) -> bool:
        """Whether the run was started on another host: if it lives cannot be seen from here."""
        return self.host != socket.gethostname()


def hold(folder: str | Path, slurm_run: str = "") -> None:
    """Lock a results folder until `release` or this process's end.

    Raises UserError where another run holds it, may hold it on another host (not every network file system takes a
    lock across hosts), or has left jobs in Slurm.
    """
    with opened(folder, keep=True) as (stream, left):
        if left and left.elsewhere:
            raise UserError(
                f"{folder}: a run on {left.host} (process {left.pid}) has not ended or was killed; "
                f"once it is gone: python -m rewardscope recover {folder}"
            )
        if left and left.slurm and (jobs := slurm.jobs(left.slurm)):
            raise UserError(f"{folder}: a killed run has left {len(jobs)} jobs in Slurm; python -m rewardscope recover {folder}")
        stream.truncate(0)
        stream.write(f"{socket.gethostname()} {os.getpid()} {slurm_run}\n{shlex.join(['snakemake', *sys.argv[1:]])}")
        stream.flush()
        _held.append(stream)


def need_workdir() -> None:
    """Raise UserError where the working directory cannot hold `.snakemake`, Snakemake's own records: it would end with a traceback."""
    try:
        os.makedirs(".snakemake", exist_ok=True)
    except OSError as error:
        problem = f"{Path.cwd()}: Snakemake cannot make its folder .snakemake here ({error.strerror})"
        raise UserError(f"{problem}; make it writable, or work in another folder (snakemake -d FOLDER)") from error


def file_of(folder: str | Path) -> Path:
    """The lock file of a results folder."""
    return Path(folder) / ".work" / "lock"


@contextmanager
def opened(folder: str | Path, keep: bool = False) -> Iterator[tuple[TextIO, Run | None]]:
    """The locked lock file of a results folder and the run that has not taken its name out of it (None: none).

    Unlocked in the end unless `keep` and no error. Raises UserError where a run on this host holds it, and where
    the folder cannot be written.
    """
    file = file_of(folder)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = open(file, "a+")
    except OSError as error:
        raise UserError(f"{folder}: no results can be kept here ({error.strerror}: {error.filename}); {_mend(Path(folder), error)}") from error
    try:
        stream.seek(0)
        first, _, command = stream.read().partition("\n")
        left = Run(*(first.split(" ") + [""])[:3], command) if first else None
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = f"process {left.pid} on {left.host}" if left else "just starting"
            raise UserError(f"{folder}: another run is at work here ({who}); wait until it has ended, or stop it") from None
        except OSError as error:
            print(f"rewardscope: {file}: no lock can be had ({error.strerror}); start no second run in {folder}", file=sys.stderr)
        yield stream, left
    except BaseException:
        stream.close()
        raise
    if not keep:
        stream.close()


def _mend(folder: Path, error: OSError) -> str:
    """What to do about a folder that cannot be written."""
    for place in (folder, *folder.parents):
        if os.path.lexists(place) and not place.is_dir():
            return f"{place} is {'a link to nothing' if place.is_symlink() else 'no folder'}: remove it or set `results`"
    if error.errno == errno.ENAMETOOLONG:
        return "shorten `results`"
    return "make it writable or set `results` to another folder"


def release() -> None:
    """The run has ended in order: nobody's name stays in the lock file."""
    while _held:
        with _held.pop() as stream:
            stream.truncate(0)
