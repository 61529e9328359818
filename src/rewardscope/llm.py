"""Answers of a chat server that speaks OpenAI's protocol: many requests at a time, none paid twice, none above the budget.

Answers are kept in one SQLite file of the cache folder, by the SHA-256 of their request. The same file says which
requests are on their way, so that limit and budget hold over every job that uses the folder. A job holds a lock there
which ends with its process: what a killed job had under way is counted no longer.

Retries, back-off, jitter and `Retry-After` are those of the `openai` package.
"""
import fcntl
import hashlib
import json
import os
import sqlite3
import time
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rewardscope.errors import UserError, brief
from rewardscope.job import log

if TYPE_CHECKING:
    from openai import OpenAI

T = TypeVar("T")
KEY = "OPENAI_API_KEY"  # the variable of the environment
FILE = "answers.sqlite"
PAUSE = 0.05  # seconds between two looks at what other jobs have under way
TABLES = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, request TEXT, response TEXT, cost REAL);
CREATE INDEX IF NOT EXISTS costs ON answers (cost);
CREATE TABLE IF NOT EXISTS flights (key TEXT PRIMARY KEY, job TEXT, cost REAL);
"""


class Job(NamedTuple):
    """What a call of `ask` works with."""

    db: sqlite3.Connection
    name: str
    folder: Path
    settings: dict


def ask(requests: list[dict], settings: dict, cache: Path) -> list[dict]:
    """The server's response to each request, a plain dict with `choices` and `usage`; from the cache where it is there.

    `requests`: chat-completions requests with `max_tokens`, sent in this order; `sample`, a number, tells repeated
    ones apart and is not sent. `settings`: the config's `llm:` section. Raises UserError where the server refuses,
    cannot be reached, or the budget is used up; every answer that came is then in the cache.
    """
    cache = Path(cache)
    keys = [key_of(request) for request in requests]
    with _database(cache) as db:
        answers = {key: answer for key in keys if (answer := _known(db, key))}
        todo = {key: request for key, request in zip(keys, requests, strict=True) if key not in answers}
        if todo:
            with _at_work(cache) as name, _client(settings) as client:
                job = Job(db, name, cache, settings)
                with closing(_asked(job, client, todo)) as asked:
                    answers.update(_progress(job, asked, len(todo)))
    return [answers[key] for key in keys]


def key_of(request: dict) -> str:
    """SHA-256 of a request, `sample` included."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def cost(request: dict, response: dict, settings: dict) -> float:
    """Dollars that a response cost, by its `usage`; the most that it can have cost where the server does not say."""
    usage = response.get("usage") or {}
    if not {"prompt_tokens", "completion_tokens"} <= usage.keys():
        return _at_most(request, settings)
    return _price(usage["prompt_tokens"], usage["completion_tokens"], settings)


def spent(cache: Path) -> float:
    """Dollars that the answers in a cache have cost."""
    if not (Path(cache) / FILE).exists():
        return 0.0
    with _database(Path(cache)) as db:
        return _spent(db)


def _price(read: int, written: int, settings: dict) -> float:
    return (read * settings["input_price"] + written * settings["output_price"]) / 1e6


def _at_most(request: dict, settings: dict) -> float:
    """A token is a byte or more, and JSON's own signs are more than what a chat format adds."""
    sent = len(json.dumps(request["messages"], ensure_ascii=False).encode(errors="replace"))
    return _price(sent, request["max_tokens"], settings)


# ---- the file ----------------------------------------------------------------------------------
@contextmanager
def _database(folder: Path) -> Iterator[sqlite3.Connection]:
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
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _known(db: sqlite3.Connection, key: str) -> dict | None:
    row = db.execute("SELECT response FROM answers WHERE key = ?", (key,)).fetchone()
    return row and json.loads(row[0])


def _spent(db: sqlite3.Connection) -> float:
    return db.execute("SELECT total(cost) FROM answers").fetchone()[0]


def _progress(job: Job, answers: Iterator[T], total: int) -> Iterator[T]:
    """As `job.progress`, and says what is spent and left."""
    said = time.monotonic()
    for done, answer in enumerate(answers, start=1):
        yield answer
        if done == total or time.monotonic() - said >= 1:
            now = _spent(job.db)
            log.info("answers: %d of %d, $%.2f spent, $%.2f left", done, total, now, max(0.0, job.settings["budget"] - now))
            said = time.monotonic()


@contextmanager
def _at_work(folder: Path) -> Iterator[str]:
    """A name for this job, and a lock that the kernel frees however the process ends."""
    file = folder / "jobs" / uuid.uuid4().hex
    file.parent.mkdir(exist_ok=True)
    with open(file, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield file.name
        finally:
            file.unlink()


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


# ---- asking ------------------------------------------------------------------------------------
def _asked(job: Job, client: "OpenAI", todo: dict[str, dict]) -> Iterator[tuple[str, dict]]:
    """Key and response of every request in `todo`, as they come."""
    waiting = deque(todo)
    running: dict[Future, str] = {}
    with ThreadPoolExecutor(job.settings["concurrency"]) as pool:
        try:
            while waiting or running:
                for _ in range(len(waiting)):
                    key = waiting[0]
                    state = _reserve(job, key, _at_most(todo[key], job.settings))
                    if state == "mine":
                        running[pool.submit(_answer, client, todo[key], job.settings)] = waiting.popleft()
                    elif state == "answered":
                        yield waiting.popleft(), _known(job.db, key)
                    elif state == "elsewhere":
                        waiting.rotate(-1)
                    elif state == "no money":
                        raise UserError(_used_up(job, len(waiting)))
                    else:
                        break
                if running:
                    done, _ = wait(running, PAUSE if waiting else None, FIRST_COMPLETED)
                    for future in done:
                        yield _keep(job, key := running.pop(future), todo[key], future.result())
                elif waiting:
                    time.sleep(PAUSE)
        finally:
            for future, key in running.items():  # what is on its way is paid
                if not future.exception():
                    _keep(job, key, todo[key], future.result())
            job.db.execute("DELETE FROM flights WHERE job = ?", (job.name,))


def _reserve(job: Job, key: str, most: float) -> str:
    """Take a place among the requests under way and `most` dollars of the budget: `mine`, or why it cannot be."""
    while True:
        with _transaction(job.db):
            flights, held = job.db.execute("SELECT count(*), total(cost) FROM flights").fetchone()
            if job.db.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchone():
                return "answered"
            if flights >= job.settings["concurrency"]:
                state = "full"
            elif job.db.execute("SELECT 1 FROM flights WHERE key = ?", (key,)).fetchone():
                state = "elsewhere"
            elif _spent(job.db) + held + most > job.settings["budget"]:
                state = "full" if flights else "no money"  # what is under way may cost less than was held for it
            else:
                job.db.execute("INSERT INTO flights VALUES (?, ?, ?)", (key, job.name, most))
                return "mine"
        if state == "no money" or not _forget_the_dead(job):
            return state


def _keep(job: Job, key: str, request: dict, response: dict) -> tuple[str, dict]:
    with _transaction(job.db):
        row = (key, json.dumps(request), json.dumps(response), cost(request, response, job.settings))
        job.db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)
        job.db.execute("DELETE FROM flights WHERE key = ?", (key,))
    return key, response


def _used_up(job: Job, missing: int) -> str:
    now, budget = _spent(job.db), job.settings["budget"]
    return (
        f"the budget is used up: ${now:.2f} of ${budget:.2f} spent and the next request may cost more than is left, with {missing} "
        f"answers missing here; all that were paid are in {job.folder}: raise llm.budget and run again"
    )


# ---- the server --------------------------------------------------------------------------------
def _client(settings: dict) -> "OpenAI":
    from openai import OpenAI  # a second, which answers from the cache do not need

    key = os.environ.get(KEY, "").strip()
    if not key:
        raise UserError(f"{KEY} is not set in the environment; a server without keys takes any text")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(f"{KEY} holds a space or another character that no key has")
    return OpenAI(api_key=key, base_url=settings["base_url"], max_retries=settings["retries"], timeout=settings["timeout"])


def _answer(client: "OpenAI", request: dict, settings: dict) -> dict:
    """The response to one request; the client retries what failed on the way, here what came but is no answer."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    body = {name: value for name, value in request.items() if name != "sample"}
    server, key, text = settings["base_url"], client.api_key, ""
    try:
        for attempt in range(settings["retries"] + 1):
            if attempt:
                time.sleep(min(8.0, 0.25 * 2**attempt))
            text = client.chat.completions.with_raw_response.create(**body).text
            if response := _read(_without(key, text)):
                return response
        said = f"{server}: no answer can be read in what it sent {settings['retries'] + 1} times: {text}"
    except APITimeoutError:
        said = f"{server}: no answer within {settings['timeout']} seconds, {settings['retries'] + 1} times; is llm.timeout too short?"
    except APIConnectionError as error:
        said = f"{server}: cannot be reached, or cuts the connection ({error.__cause__ or error}); is llm.base_url right?"
    except APIStatusError as error:
        if error.status_code in (401, 403):  # what the server says may hold the key, or a part of it
            said = f"{server}: refuses the key in {KEY} ({error.status_code})"
        else:
            after = error.response.headers.get("retry-after")
            said = f"{server}: answers {error.status_code}{f' (try again after {after} s)' if after else ''}: {error.message}"
    raise UserError(brief(ValueError(_without(key, said)))) from None  # the library's error may hold the key


def _read(text: str) -> dict | None:
    try:
        response = json.loads(text)
        return response if isinstance(response["choices"][0]["message"], dict) else None
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _without(key: str, text: str) -> str:
    """`text` without the key, should a server echo it; a short word such as `none` is no secret."""
    return text.replace(key, "[key]") if len(key) > 7 else text
