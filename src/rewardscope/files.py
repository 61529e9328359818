"""Files that are there whole or not at all, and work in progress that is only ever resumed by the same work."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rewardscope.errors import UserError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # disk full, quota used up, file too large for either


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A path to write a file or folder at; it becomes `path` by one rename when the block ends without error.

    Raises UserError where there is no room for it.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(partial)
    try:
        yield partial
        if path.is_dir() and partial.exists():
            _remove(path)  # Snakemake makes declared folders before the job
        os.replace(partial, path)
    except Exception as error:  # safetensors has an exception of its own, which tells the number in its text
        told = re.search(r"os error (\d+)", str(error))
        if getattr(error, "errno", told and int(told[1])) in NO_ROOM:
            raise UserError(f"{path}: cannot be written, the disk is full or a quota used up; make room and run again") from error
        raise
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


MARK, FINISHED = "fingerprint.json", "finished"


def resumable(folder: str | Path, **fingerprint: object) -> Path:
    """The work folder of a job, emptied if it was left by a job with another `fingerprint` (inputs, params, device)."""
    folder = Path(folder)
    mark = folder / MARK
    text = json.dumps(fingerprint, sort_keys=True, default=str)
    if not mark.exists() or mark.read_text() != text:
        forget(folder)
        folder.mkdir(parents=True)
        mark.write_text(text)
    return folder


def finished(work: Path) -> None:
    """Say that every output is in its place.

    The work is kept until Snakemake has recorded that: killed before, it deletes the outputs and runs the job again,
    which then has nothing left to compute.
    """
    (work / FINISHED).touch()


def sweep(folder: str | Path) -> None:
    """Remove the work in `folder` that is finished."""
    for work, _, names in os.walk(folder):
        if FINISHED in names:
            forget(Path(work))


def forget(work: Path) -> None:
    """Remove a work folder, its mark first: nothing is resumed from what a kill leaves half removed."""
    (work / MARK).unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)  # jobs that run side by side may sweep the same one


def link(source: str | Path, target: str | Path) -> None:
    """`source`, a file or folder, at `target` too: hard links, where the file system has them, take no room."""
    if os.path.isdir(source):
        shutil.copytree(source, target, copy_function=link)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
