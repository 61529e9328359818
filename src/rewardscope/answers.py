"""Paid answers in one SQLite file, and which requests are on their way: shared by every job that uses its folder.

A request takes a place and the most that it can cost before it is sent, so that limit and budget hold over all jobs. A
job holds a lock that ends with its process: what a killed one had under way is counted no longer.
"""
import fcntl
import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from rewardscope.errors import UserError, brief

FILE = "answers.sqlite"
TABLES = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, request TEXT, response TEXT, cost REAL);
CREATE TABLE IF NOT EXISTS spending (total REAL);
INSERT INTO spending SELECT 0 WHERE NOT EXISTS (SELECT * FROM spending);
CREATE TABLE IF NOT EXISTS flights (key TEXT PRIMARY KEY, job TEXT, cost REAL);
"""  # a sum over a million answers would take seconds for each request


class Job(NamedTuple):
    """A process that asks."""

    db: sqlite3.Connection
    folder: Path
    name: str


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
def at_work(db: sqlite3.Connection, folder: Path) -> Iterator[Job]:
    """This process as a job, under a lock that the kernel frees however it ends."""
    file = folder / "jobs" / uuid.uuid4().hex
    file.parent.mkdir(exist_ok=True)
    with open(file, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield Job(db, folder, file.name)
        finally:
            db.execute("DELETE FROM flights WHERE job = ?", (file.name,))
            file.unlink()


def has(db: sqlite3.Connection, key: str) -> bool:
    return db.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchone() is not None


def read(db: sqlite3.Connection, key: str) -> dict:
    """The response that is kept under a key."""
    return json.loads(db.execute("SELECT response FROM answers WHERE key = ?", (key,)).fetchone()[0])


def spent(db: sqlite3.Connection) -> float:
    """Dollars that all answers have cost."""
    return db.execute("SELECT total FROM spending").fetchone()[0]


def reserve(job: Job, key: str, most: float, limit: int, budget: float) -> str:
    """Take one of `limit` places, and `most` dollars of the budget: `mine`, or why it cannot be.

    `answered`: it is there by now; `elsewhere`: another job is asking it; `full`: wait; `no money`: waiting is no use.
    """
    while True:
        with _transaction(job.db):
            flights, held = job.db.execute("SELECT count(*), total(cost) FROM flights").fetchone()
            if has(job.db, key):
                return "answered"
            if flights >= limit:
                state = "full"
            elif job.db.execute("SELECT 1 FROM flights WHERE key = ?", (key,)).fetchone():
                state = "elsewhere"
            elif spent(job.db) + held + most > budget:
                state = "full" if flights else "no money"  # what is under way may cost less than was held for it
            else:
                job.db.execute("INSERT INTO flights VALUES (?, ?, ?)", (key, job.name, most))
                return "mine"
        if state == "no money" or not _forget_the_dead(job):
            return state


def keep(job: Job, key: str, request: dict, response: dict, cost: float) -> None:
    """Store an answer and give its place back."""
    with _transaction(job.db):
        job.db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (key, json.dumps(request), json.dumps(response), cost))
        job.db.execute("UPDATE spending SET total = total + ?", (cost,))
        job.db.execute("DELETE FROM flights WHERE key = ?", (key,))


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _forget_the_dead(job: Job) -> bool:
    """Strike out what killed jobs had under way; whether there was any."""
    owners = [name for (name,) in job.db.execute("SELECT DISTINCT job FROM flights WHERE job != ?", (job.name,))]
    dead = [name for name in owners if _dead(job.folder / "jobs" / name)]
    job.db.executemany("DELETE FROM flights WHERE job = ?", [(name,) for name in dead])
    return bool(dead)


def _dead(file: Path) -> bool:
    try:
        with open(file, "r+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    file.unlink(missing_ok=True)
    return True
