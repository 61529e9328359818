"""Answers of a chat server that speaks OpenAI's protocol: many requests at a time, none paid twice, none above the budget.

`answers` keeps what came, by the SHA-256 of its request. Retries, back-off, jitter and `Retry-After` are those of the
`openai` package.
"""

import hashlib
import json
import os
import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rewardscope.errors import UserError, brief
from rewardscope.explain import answers
from rewardscope.run.job import progress

if TYPE_CHECKING:
    from openai import OpenAI

KEY = "OPENAI_API_KEY"  # the variable of the environment


def ask(requests: list[dict], settings: dict, folder: Path) -> Iterator[dict]:
    """Yields the server's response to each request, a plain dict with `choices` and `usage`, once all are in the cache in `folder`.

    `requests`: chat-completions requests with `max_tokens`, sent in this order; `sample`, a number, tells repeated
    ones apart and is not sent. `settings`: the config's `llm:` section. Raises UserError where the server refuses,
    cannot be reached, or the budget is used up; every answer that came is then in the cache.
    """
    keys, budget = [key_of(request) for request in requests], settings["budget"]
    by_key = dict(zip(keys, requests, strict=True))
    with answers.opened(Path(folder)) as db:
        if answers.missing(db, by_key):
            with _client(settings) as client, answers.alone(Path(folder)):
                missing = {key: by_key[key] for key in answers.missing(db, by_key)}  # another job may have asked by now
                money = lambda spent: f", ${spent:.2f} spent, ${max(0.0, budget - spent):.2f} left"
                for _ in progress(_paid(db, client, missing, settings), "answers", len(missing), money):
                    pass
        for key in keys:  # one at a time: with log-probabilities an answer is large
            yield answers.response(db, key)


def key_of(request: dict) -> str:
    """SHA-256 of a request, `sample` included."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def cost(request: dict, response: dict, settings: dict) -> float:
    """Dollars that a response cost, by its `usage`; the most that it can have cost where the server does not say."""
    usage = response.get("usage") or {}
    if not {"prompt_tokens", "completion_tokens"} <= usage.keys():
        return _at_most(request, settings)
    return _price(usage["prompt_tokens"], usage["completion_tokens"], settings)


def spent(folder: Path) -> float:
    """Dollars that the answers in a cache have cost."""
    if not (Path(folder) / answers.FILE).exists():
        return 0.0
    with answers.opened(Path(folder)) as db:
        return answers.spent(db)


def _price(prompt_tokens: int, completion_tokens: int, settings: dict) -> float:
    return (prompt_tokens * settings["input_price"] + completion_tokens * settings["output_price"]) / 1e6


def _at_most(request: dict, settings: dict) -> float:
    """A token is a byte or more, and JSON's own signs are more than what a chat format adds."""
    size = len(json.dumps(request["messages"], ensure_ascii=False).encode(errors="replace"))
    return _price(size, request["max_tokens"], settings)


def _paid(db: sqlite3.Connection, client: "OpenAI", requests: dict[str, dict], settings: dict) -> Iterator[float]:
    """Ask for every one of `requests`, by key, many at a time; yields the dollars spent after each answer that is kept."""
    limit, budget, spent = settings["concurrency"], settings["budget"], answers.spent(db)
    most = {key: _at_most(request, settings) for key, request in requests.items()}
    waiting, running = deque(requests), {}  # keys; future -> key

    def keep(future: Future) -> float:
        key = running.pop(future)
        response = future.result()
        dollars = cost(requests[key], response, settings)
        answers.keep(db, key, requests[key], response, dollars)
        return dollars

    with ThreadPoolExecutor(limit) as pool:
        try:
            while waiting or running:
                if waiting and len(running) < limit and spent + sum(most[key] for key in [*running.values(), waiting[0]]) <= budget:
                    key = waiting.popleft()
                    running[pool.submit(_answer, client, requests[key], settings)] = key
                elif running:  # what these cost may be less than the most
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        spent += keep(future)
                        yield spent
                else:
                    raise UserError(
                        f"the budget is used up: ${spent:.2f} of ${budget:.2f} spent and the next request may cost more than is left, with "
                        f"{len(waiting)} answers missing here; all that were paid are kept: raise llm.budget and run again"
                    )
        finally:
            for future in list(running):  # what is on its way is paid
                if not future.exception():
                    keep(future)


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
    key, times = client.api_key, settings["retries"] + 1
    try:
        for attempt in range(times):
            if attempt:
                time.sleep(min(8.0, 0.25 * 2**attempt))
            text = _without(key, client.chat.completions.with_raw_response.create(**body).text)
            with suppress(ValueError, KeyError, IndexError, TypeError):
                response = json.loads(text)
                if isinstance(response["choices"][0]["message"], dict):
                    return response
        problem = f"no answer can be read in what it sent {times} times: {text}"
    except APITimeoutError:
        problem = f"no answer within {settings['timeout']} seconds, {times} times; is llm.timeout too short?"
    except APIConnectionError as error:
        problem = f"cannot be reached, or cuts the connection ({error.__cause__ or error}); is llm.base_url right?"
    except APIStatusError as error:
        if error.status_code in (401, 403):  # what the server says may hold the key, or a part of it
            problem = f"refuses the key in {KEY} ({error.status_code})"
        else:
            after = error.response.headers.get("retry-after")
            problem = f"answers {error.status_code}{f' (try again after {after} s)' if after else ''}: {error.message}"
    raise UserError(brief(ValueError(_without(key, f"{settings['base_url']}: {problem}")))) from None  # the library's error may hold the key


def _without(key: str, text: str) -> str:
    """`text` without the key, should a server echo it; a short word such as `none` is no secret."""
    return text.replace(key, "[key]") if len(key) > 7 else text
