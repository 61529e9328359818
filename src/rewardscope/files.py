"""Files that are there whole or not at all, and work in progress that is only ever resumed by the same work."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rewardscope.errors import UserError, brief

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


def read_json(path: str | Path) -> Any:
    """The map that a JSON file of ours holds; of a `.jsonl` the list of the maps that its lines hold.

    Raises UserError, naming the file and line, where it is not that, and later where a key is asked for that it lacks.
    """
    text, line = None, ""
    try:
        text = Path(path).read_text(encoding="utf-8")
        if Path(path).suffix != ".jsonl":
            return _Map.of(json.loads(text), str(path))
        rows = []
        for number, row in enumerate(text.split("\n"), start=1):
            line = f", line {number}"
            rows += [_Map.of(json.loads(row), f"{path}{line}")] if row.strip() else []
        return rows
    except (OSError, ValueError, RecursionError) as error:
        problem = f"cannot be read ({brief(error)})" if text is None else f"not JSON ({brief(error)})"
        raise UserError(f"{path}{line}: {problem}; it may be cut short: {ANEW}") from error


ANEW = "delete it, and the rule that made it makes it anew"


class _Map(dict):
    """A JSON map that knows where it stands, and says so where a key is asked for that it lacks."""

    where: str

    @classmethod
    def of(cls, content: object, where: str) -> "_Map":
        if not isinstance(content, dict):
            raise UserError(f"{where}: JSON, but no map; {ANEW}")
        out = cls(content)
        out.where = where
        return out

    def __missing__(self, key: object) -> None:
        raise UserError(f"{self.where}: has no {key}; {ANEW}")


class Twice(ValueError):
    """A key that a JSON object gives twice: Python's reader keeps the last one and says nothing."""


def once(pairs: list[tuple[str, Any]]) -> dict:
    """`object_pairs_hook` of a JSON that a user gives: an object, each of whose keys is given once. Raises Twice."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Twice(f"the key {twice:.100} is given twice in one object; remove one of them")
    return dict(pairs)


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
