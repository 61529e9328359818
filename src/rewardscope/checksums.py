"""SHA-256 of files and folders, and checksums beside what they are of: a folder's `checksums.json` says those of the files written there.

A flipped byte, a file cut short, a file that is gone: each is named before anything is computed from it.
"""

import hashlib
import json
import os
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

from rewardscope.errors import UserError, brief
from rewardscope.files import whole

NAME = "checksums.json"
STAMP = ".snakemake_timestamp"  # Snakemake's own, in every declared folder
VERIFY = "REWARDSCOPE_VERIFY"  # a variable of the environment: set, nothing is remembered
_notes: Path | None = None


def remember(results: str | Path) -> None:
    """From now on a file that a job of this run has hashed is not read again while its size and dates are the same.

    Its SHA-256 is noted below `<results>/.work/hashed`, which a run begins with `forget`.
    """
    global _notes
    _notes = None if os.environ.get(VERIFY) else Path(results) / ".work" / "hashed"


def forget(results: str | Path) -> None:
    """Every file is hashed again: damage that kept size and dates is found by the next run."""
    shutil.rmtree(Path(results) / ".work" / "hashed", ignore_errors=True)


def fingerprint(path: Path, known: dict | None = None) -> dict:
    """SHA-256, size and date of a file; of a folder these of each file in it, and the SHA-256 of their listing.

    The listing is what `sha256sum` prints for the sorted files. A file whose size and date are those of `known`, an
    earlier fingerprint, is not read again.
    """
    known = known or {}
    if path.is_dir():
        names = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file() and file.name != STAMP)
        files = {name: fingerprint(path / name, known.get("files", {}).get(name)) for name in names}
        listing = "".join(f"{file['sha256']}  {name}\n" for name, file in files.items())
        return {"sha256": hashlib.sha256(listing.encode(errors="surrogateescape")).hexdigest(), "files": files}
    stat = path.stat()
    now = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if now.items() <= known.items():
        return known
    return {"sha256": _digest(path, stat), **now}


def _digest(path: Path, stat: os.stat_result) -> str:
    """SHA-256 of a file, noted under what tells it from every other file and from itself when written again, its bytes alone left out."""
    which = (os.path.abspath(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    note = _notes and _notes / hashlib.sha256(repr(which).encode(errors="surrogateescape")).hexdigest()
    if note and note.exists():
        return note.read_text()
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if note:
        with suppress(OSError, UserError), whole(note) as file:  # no room for a note is no reason to stop
            file.write_text(digest)
    return digest


def differing(now: dict, then: dict) -> list[str]:
    """Names of the files of a folder that differ between two fingerprints of it; none where either is of a file."""
    before, after = ({name: file["sha256"] for name, file in side.get("files", {}).items()} for side in (then, now))
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)) if before and after else []


def checksum(path: str | Path) -> str:
    """SHA-256 of a file, or of a folder's listing."""
    return fingerprint(Path(path))["sha256"]


def write(folder: str | Path, sums: dict[str, str] | None = None) -> None:
    """Write the folder's `checksums.json`: `sums` where they are known, else of every file there but hidden ones."""
    folder = Path(folder)
    if sums is None:
        names = sorted(file.name for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
        sums = {name: checksum(folder / name) for name in names if name != NAME}
    with whole(folder / NAME) as file:
        file.write_text(json.dumps(sums, indent=1) + "\n")


def recorded(folder: str | Path) -> dict[str, str]:
    """File name -> SHA-256, in the order of writing. Raises UserError where the folder has no such record."""
    file = Path(folder) / NAME
    try:
        sums = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read ({brief(error)}); delete its folder and rerun") from error
    if not isinstance(sums, dict) or not all(isinstance(value, str) for value in sums.values()):
        raise UserError(f"{file}: JSON, but no map from names to SHA-256; delete its folder and rerun")
    return sums


def known(path: str | Path) -> str:
    """A checksum of a file or folder for a fingerprint: where a record is there, the record's, so that nothing large is read."""
    record = Path(path) / NAME
    return checksum(record if record.is_file() else path)


def intact(file: str | Path) -> Path:
    """The same path, once its bytes are known to be those that were written; a file is read for it once a process.

    Raises UserError, naming the file and what to do, where they are not, where it is gone or cannot be read.
    """
    file = Path(file)
    expected = recorded(file.parent).get(file.name)
    try:
        stat = file.stat()
        now = _sum(file, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); delete its folder and rerun") from error
    if now != expected:
        raise UserError(f"{file}: damaged, its SHA-256 is not the one in {NAME}; delete its folder and rerun")
    return file


@cache
def _sum(file: Path, _size: int, _modified: int) -> str:
    return checksum(file)


def intact_folder(folder: str | Path) -> Path:
    """The same path, once every file that its `checksums.json` names is `intact`; a folder without one is not ours."""
    folder = Path(folder)
    if (folder / NAME).exists():
        for name in recorded(folder):
            intact(folder / name)
    return folder
