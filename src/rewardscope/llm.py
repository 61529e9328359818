"""Answers of a chat server that speaks OpenAI's protocol: many requests at a time, none paid twice, none above the budget.

`answers` keeps what came, by the SHA-256 of its request. Retries, back-off, jitter and `Retry-After` are those of the
`openai` package.
"""
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from rewardscope import answers
from rewardscope.answers import Job
from rewardscope.errors import UserError, brief
from rewardscope.job import log

if TYPE_CHECKING:
    from openai import OpenAI

KEY = "OPENAI_API_KEY"  # the variable of the environment
PAUSE = 0.05  # seconds between two looks at what other jobs have under way


def ask(requests: list[dict], settings: dict, cache: Path) -> Iterator[dict]:
    """Yields the server's response to each request, a plain dict with `choices` and `usage`, once all are in the cache.

    `requests`: chat-completions requests with `max_tokens`, sent in this order; `sample`, a number, tells repeated
    ones apart and is not sent. `settings`: the config's `llm:` section. Raises UserError where the server refuses,
    cannot be reached, or the budget is used up; every answer that came is then in the cache.
    """
    cache = Path(cache)
    keys = [key_of(request) for request in requests]
    with answers.opened(cache) as db:
        missing = {key: request for key, request in zip(keys, requests, strict=True) if not answers.has(db, key)}
        if missing:
            with _client(settings) as client, answers.at_work(db, cache) as job:
                _fetch(job, client, missing, settings)
        for key in keys:  # one at a time: with log-probabilities an answer is large
            yield answers.read(db, key)


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
    if not (Path(cache) / answers.FILE).exists():
        return 0.0
    with answers.opened(Path(cache)) as db:
        return answers.spent(db)


def _price(read: int, written: int, settings: dict) -> float:
    return (read * settings["input_price"] + written * settings["output_price"]) / 1e6


def _at_most(request: dict, settings: dict) -> float:
    """A token is a byte or more, and JSON's own signs are more than what a chat format adds."""
    sent = len(json.dumps(request["messages"], ensure_ascii=False).encode(errors="replace"))
    return _price(sent, request["max_tokens"], settings)


# ---- many at a time ----------------------------------------------------------------------------
def _fetch(job: Job, client: "OpenAI", missing: dict[str, dict], settings: dict) -> None:
    """Ask for every request of `missing`, by key, and keep the answers."""
    waiting, said = deque(missing), time.monotonic()
    running: dict[Future, str] = {}

    def keep(future: Future, key: str) -> None:
        response = future.result()
        answers.keep(job, key, missing[key], response, cost(missing[key], response, settings))

    with ThreadPoolExecutor(settings["concurrency"]) as pool:
        try:
            while waiting or running:
                for _ in range(len(waiting)):
                    key = waiting[0]
                    state = answers.reserve(job, key, _at_most(missing[key], settings), settings["concurrency"], settings["budget"])
                    if state == "mine":
                        running[pool.submit(_answer, client, missing[key], settings)] = waiting.popleft()
                    elif state == "answered":
                        waiting.popleft()
                    elif state == "elsewhere":
                        waiting.rotate(-1)
                    elif state == "no money":
                        raise UserError(_used_up(job, len(waiting), settings["budget"]))
                    else:
                        break
                if running:
                    for future in wait(running, PAUSE if waiting else None, FIRST_COMPLETED).done:
                        keep(future, running.pop(future))
                elif waiting:
                    time.sleep(PAUSE)
                if time.monotonic() - said >= 1 or not (waiting or running):
                    said = time.monotonic()
                    _say(job, len(missing) - len(waiting) - len(running), len(missing), settings["budget"])
        finally:
            for future, key in running.items():  # what is on its way is paid
                if not future.exception():
                    keep(future, key)


def _say(job: Job, done: int, total: int, budget: float) -> None:
    """As `job.progress`, with what is spent and left."""
    now = answers.spent(job.db)
    log.info("answers: %d of %d, $%.2f spent, $%.2f left", done, total, now, max(0.0, budget - now))


def _used_up(job: Job, missing: int, budget: float) -> str:
    return (
        f"the budget is used up: ${answers.spent(job.db):.2f} of ${budget:.2f} spent and the next request may cost more than is left, with "
        f"{missing} answers missing here; all that were paid are in {job.folder}: raise llm.budget and run again"
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
