"""One run at a time in a results folder, by a lock that ends with its process.

Snakemake's own lock files outlive `kill -9` and want `--unlock`; the profile turns them off (`nolock`). The kernel
frees this one however the run ends, so that one can just run again.
"""
import fcntl
import os
import socket
import sys
from pathlib import Path

from rewardscope.errors import UserError

_held = []  # open files: closing one would free its lock


def hold(folder: str | Path) -> None:
    """Lock a results folder until `release` or this process's end. Raises UserError where another run holds it.

    The lock file names the run's host and process. One that a run on another host has left is not judged from here:
    not every network file system takes a lock across hosts.
    """
    file = Path(folder) / ".work" / "lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = open(file, "a+")
    stream.seek(0)
    host, _, pid = stream.read().partition(" ")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{folder}: another run is at work here (process {pid} on {host}); wait until it has ended, or stop it") from None
    except OSError as error:
        print(f"rewardscope: {file}: no lock can be had ({error.strerror}); start no second run in {folder}", file=sys.stderr)
    if host not in ("", socket.gethostname()):
        raise UserError(f"{folder}: a run on {host} (process {pid}) has not ended or was killed; once it is gone: rm {file}")
    stream.truncate(0)
    stream.write(f"{socket.gethostname()} {os.getpid()}")
    stream.flush()
    _held.append(stream)


def release() -> None:
    """The run has ended in order: nobody's name stays in the lock file."""
    while _held:
        with _held.pop() as stream:
            stream.truncate(0)
