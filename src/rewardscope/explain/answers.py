"""What is an answer of a chat server and what is not, and the SQLite file of those that were paid, shared by every job that uses its folder.

One job at a time adds to the file. So limit and budget are that job's to keep, nothing is asked for twice, and what a killed one had under
way counts no more. It holds responses as they came, sound or not: what they are worth is found out each time that they are read.
"""

import fcntl
import json
import logging
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from rewardscope.errors import UserError, brief

FILE = "answers.sqlite"
TABLES = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, request TEXT, response TEXT, cost REAL, tries INTEGER DEFAULT 1);
CREATE INDEX IF NOT EXISTS costs ON answers (cost);
"""  # a sum over a million answers reads the index alone
TRIES = 3  # of an answer that the server spoilt: each may be paid
DONE = ("stop", "eos", "eos_token", "stop_sequence", "end_turn")  # a `finish_reason`, by any server; one that has none is taken as done
LIMIT = ("length", "max_tokens")
REFUSED = ("content_filter", "safety", "refusal")
TOOLS = ("tool_calls", "tool_use", "function_call")
REASONING = ("reasoning_content", "reasoning")  # of a message, beside its content
REFUSAL = re.compile(r"(I'm|I am) (sorry|unable)\b|I can('t|not)\b|Sorry\b|As an AI\b", re.IGNORECASE)

# Marks of reasoning in the text itself, where a server leaves them there. One in quotation marks is spoken of, not used.
UNQUOTED = r"(?<![\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}])"
THOUGHT = r"(?:\w+:)?(?:think|thinking|thoughts?|reasoning)"
BARE = r"\A\s*analysis(?=[a-z])"  # channels whose marks a server has left out: "analysisWe need ... assistantfinalPraise"
TRIANGLE = r"\N{WHITE LEFT-POINTING TRIANGLE}"
BEGINS = re.compile(rf"{UNQUOTED}(?:<\|?(?:start_|begin_of_)?{THOUGHT}\|?>|{TRIANGLE}{THOUGHT}|(?-i:\[THINK\])|<\|channel\|?>)|{BARE}", re.IGNORECASE)
ENDS = re.compile(
    rf"{UNQUOTED}(?:<\|?/{THOUGHT}\|?>|<\|end_(?:of_)?{THOUGHT}\|>|{TRIANGLE}/{THOUGHT}.|(?-i:\[/THINK\])|<channel\|>"
    rf"|<\|channel\|>\s*final\b[^<]*<\|message\|>)|{BARE}.*assistantfinal",
    re.IGNORECASE | re.DOTALL,
)
OPENS = re.compile(r"\A\s*<(?:\|(?:start|begin_of)_)?(?:answer|response|solution)\|?>", re.IGNORECASE)
CLOSES = re.compile(rf"{UNQUOTED}<(?:/|\|end_(?:of_)?)(?:answer|response|solution)\|?>|<\|(?:end|return|call|start)\|>", re.IGNORECASE)
log = logging.getLogger("rewardscope")


class Answer(NamedTuple):
    """What a chat completion says to what was asked."""

    text: str
    """without reasoning; empty where there is a failure"""
    failure: str
    """why it is no answer; empty where it is one"""
    final: bool
    """whether the model has spoken, so that asking again is paying for the same; else the server spoilt it"""
    tokens: list[dict]
    """with their log-probabilities, each with a text `token`, reasoning's and special ones perhaps among them; none where they cannot be read"""


def read(response: object) -> Answer | None:
    """The answer in a server's response, the only place that decides what one is; None where it is no chat completion at all.

    `failure`: `refusal`, `cut off` (at the limit of tokens: half a phrase or half a list is no answer), `cut off before an answer`,
    `tool call`, `reasoning alone`, `empty`; and, not final, `finish_reason ...`, `content that is no text`.
    """
    try:
        choice = response["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
    except (AttributeError, LookupError, TypeError):
        return None
    if not isinstance(message, dict):
        return None
    whole, problem = _content(message.get("content"))
    text, reason = _said(whole), " ".join(str(reason or "stop").lower().split())[:40]
    words = text.strip("\"' \n")
    final = True
    if message.get("refusal") or reason in REFUSED or REFUSAL.match(words.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")):
        failure = "refusal"
    elif reason in LIMIT:
        failure = "cut off" if words else "cut off before an answer"
    elif reason in TOOLS or (message.get("tool_calls") and not words):
        failure = "tool call"
    elif reason not in DONE:
        failure, final = f"finish_reason {reason}", False
    elif problem:
        failure, final = problem, problem == "refusal"
    elif not words:
        failure = "reasoning alone" if whole.strip("\"' \n") or any(message.get(key) for key in REASONING) else "empty"
    else:
        return Answer(text, "", True, _tokens(choice))
    return Answer("", failure, final, [])


def _content(content: object) -> tuple[str, str]:
    """The text of a message's content, where it is a list of its parts that are text, and what is wrong with it."""
    if isinstance(content, str | None):
        return (content or "").encode("utf-8", "replace").decode(), ""  # half a surrogate pair could not be written to a file
    text = ""
    for part in content if isinstance(content, list) else [content]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "output_text") and isinstance(part.get("text"), str):
            text += part["text"]
        elif kind == "refusal":
            return "", "refusal"
        elif kind not in ("thinking", "reasoning"):
            return "", "content that is no text"
    return _content(text)


def _said(text: str) -> str:
    """`text` behind the last mark that reasoning has ended, without marks around the answer; empty where only reasoning has begun."""
    inner = OPENS.sub("", text[max((mark.end() for mark in ENDS.finditer(text)), default=0) :])
    if inner != text:  # else what looks like a mark of the end is spoken of
        inner = CLOSES.split(inner)[0]
    return "" if BEGINS.search(inner) else inner.strip()


def _tokens(choice: dict) -> list[dict]:
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    sound = isinstance(tokens, list) and all(isinstance(token, dict) and isinstance(token.get("token"), str) for token in tokens)
    return tokens if sound else []


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
                if "tries" not in {column[1] for column in db.execute("PRAGMA table_info(answers)")}:  # a file of an earlier version
                    db.execute("ALTER TABLE answers ADD COLUMN tries INTEGER DEFAULT 1")
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
    """The keys that have neither an answer nor a failure that stays; what was kept of another form is passed over."""
    return [key for key in keys if not _settled(*_kept(db, key)[:2])]


def _settled(response: object, tries: int) -> bool:
    answer = read(response)
    return answer is not None and (answer.final or tries >= TRIES)


def kept(db: sqlite3.Connection, key: str) -> tuple[Answer, float]:
    """What was answered, and the dollars that it cost, spoilt answers before it included."""
    response, _, cost = _kept(db, key)
    return read(response), cost


def _kept(db: sqlite3.Connection, key: str) -> tuple[object, int, float]:
    """Response, tries and cost; a response of None where there is none or it is broken."""
    row = db.execute("SELECT response, tries, cost FROM answers WHERE key = ?", (key,)).fetchone()
    return (parsed(row[0]), *row[1:]) if row else (None, 0, 0.0)


def parsed(text: str) -> object:
    """What a JSON text holds; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def spent(db: sqlite3.Connection) -> float:
    """Dollars that all answers have cost."""
    return db.execute("SELECT total(cost) FROM answers").fetchone()[0]


def keep(db: sqlite3.Connection, key: str, request: dict, response: object, cost: float) -> None:
    """Store a response: it outlives this process from here on. It takes the place of a spoilt one, whose cost stays."""
    db.execute(
        "INSERT INTO answers (key, request, response, cost) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (key) DO UPDATE SET response = excluded.response, cost = cost + excluded.cost, tries = tries + 1",
        (key, json.dumps(request), json.dumps(response), cost),
    )
