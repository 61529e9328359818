"""Paid answers in one SQLite file, shared by every job that uses its folder; one job at a time adds to them.

So limit and budget are that job's to keep, nothing is asked for twice, and what a killed one had under way counts no more.
"""

import fcntl
import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rewardscope.errors import UserError, brief

FILE = "answers.sqlite"
TABLES = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, request TEXT, response TEXT, cost REAL);
CREATE INDEX IF NOT EXISTS costs ON answers (cost);
"""  # a sum over a million answers reads the index alone
log = logging.getLogger("rewardscope")


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file of answers, made where there is none. Raises UserError where it cannot be used."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / FILE, timeout=60, isolation_level=None)) as db:
        try:
            with open(folder / "opening", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # two that turn a new file to WAL at once collide
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")  # a kill loses nothing; a power cut may lose the last answers
                db.executescript(TABLES)
            yield db
        except sqlite3.Error as error:
            raise UserError(f"{folder / FILE}: {brief(error)}; make room, or move the file away if it is broken") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other job adds answers; then none does until the block or this process ends."""
    with open(folder / "asking", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting: another job is asking for answers of %s", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def missing(db: sqlite3.Connection, keys: Iterable[str]) -> list[str]:
    """The keys that have no answer."""
    return [key for key in keys if not db.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchone()]


def response(db: sqlite3.Connection, key: str) -> dict:
    """What was answered."""
    return json.loads(db.execute("SELECT response FROM answers WHERE key = ?", (key,)).fetchone()[0])


def spent(db: sqlite3.Connection) -> float:
    """Dollars that all answers have cost."""
    return db.execute("SELECT total(cost) FROM answers").fetchone()[0]


def keep(db: sqlite3.Connection, key: str, request: dict, answer: dict, cost: float) -> None:
    """Store an answer: it outlives this process from here on."""
    db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (key, json.dumps(request), json.dumps(answer), cost))
