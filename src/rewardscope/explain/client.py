"""Answers of a chat server that speaks OpenAI's protocol: many requests at a time, none paid twice, none above the budget.

`answers` keeps what came, by the SHA-256 of its request, and says whether it is an answer. Retries of what failed on the way, their
back-off, jitter and `Retry-After` are those of the `openai` package.
"""

import hashlib
import json
import logging
import os
import re
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from rewardscope.errors import UserError, brief
from rewardscope.explain import answers
from rewardscope.run.job import progress

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

KEY = "OPENAI_API_KEY"  # the variable of the environment
PART = 8  # signs of the key that are struck out wherever a server repeats them; a shorter key, such as `none`, is no secret
SPEAKS_OF_THE_KEY = re.compile(r"(?<![a-z])(api[_-]?)?keys?(?![a-z])", re.IGNORECASE)
WORDS = ("error", "message", "detail", "msg", "title")  # where servers say what is wrong
log = logging.getLogger("rewardscope")


def ask(requests: list[dict], settings: dict, folder: Path) -> Iterator[tuple[answers.Answer, float]]:
    """Yields the answer to each request and the dollars that it cost, once all are in the cache in `folder`.

    `requests`: chat-completions requests with `max_tokens`, sent in this order; `sample`, a number, tells repeated
    ones apart and is not sent. `settings`: the config's `llm:` section. What is no answer (`answers.read`) is yielded as a
    failure and counted in the log; one that the server spoilt is asked for again, `answers.TRIES` times in all runs together.
    Raises UserError where the server refuses, sends no chat completion, cannot be reached, or the budget is used up; every
    answer that came is then in the cache.
    """
    keys, budget = [key_of(request) for request in requests], settings["budget"]
    by_key = dict(zip(keys, requests, strict=True))
    failures: Counter[str] = Counter()
    with answers.opened(Path(folder)) as db:
        if answers.missing(db, by_key):
            with _client(settings) as client, answers.alone(Path(folder)):
                missing = {key: by_key[key] for key in answers.missing(db, by_key)}  # another job may have asked by now
                money = lambda now: f", ${now[0]:.2f} spent, ${max(0.0, budget - now[0]):.2f} left{f', {now[1]} failed' if now[1] else ''}"
                for _ in progress(_paid(db, client, missing, settings), "answers", len(missing), money):
                    pass
        for key in keys:  # one at a time: with log-probabilities an answer is large
            answer, dollars = answers.kept(db, key)
            failures[answer.failure] += 1
            yield answer, dollars
    if why := ", ".join(f"{failure} ({n})" for failure, n in failures.most_common() if failure):
        log.warning("%d of %d requests have no answer: %s", len(keys) - failures[""], len(keys), why)


def key_of(request: dict) -> str:
    """SHA-256 of a request, `sample` included."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def cost(request: dict, response: object, settings: dict) -> float:
    """Dollars that a response cost, by its `usage`.

    Where the server does not count: the most that it can have cost, but nothing where it is no chat completion.
    """
    usage = response.get("usage") if isinstance(response, dict) else None
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")] if isinstance(usage, dict) else [None]
    if all(isinstance(n, int | float) and 0 <= n < 1e12 for n in counts):
        return _price(*counts, settings)
    return _at_most(request, settings) if answers.read(response) else 0.0


def spent(folder: Path) -> float:
    """Dollars that the answers in a cache have cost."""
    if not (Path(folder) / answers.FILE).exists():
        return 0.0
    with answers.opened(Path(folder)) as db:
        return answers.spent(db)


def models_of(settings: dict, patience: float) -> list[str] | None:
    """The models that the server lists, None where it lists none; nothing is paid. One request, which may take `patience` seconds.

    Raises UserError where the key is missing or refused, or the server cannot be reached. `settings`: the config's `llm:` section.
    """
    with _client({**settings, "retries": 0, "timeout": patience}) as client:
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        key, url = client.api_key, _without(client.api_key, settings["base_url"])
        try:
            listed = answers.parsed(client.models.with_raw_response.list().text)
        except APITimeoutError:
            raise UserError(f"{url}: no answer within {patience:g} seconds; is llm.base_url right?") from None
        except APIConnectionError as error:
            why = brief(ValueError(_without(key, str(error.__cause__ or error))))
            raise UserError(f"{url}: cannot be reached ({why}); is llm.base_url right, and the server up?") from None
        except APIStatusError as error:
            if error.status_code in (404, 405, 501):  # it may answer all the same
                return None
            raise UserError(f"{url}: {_refusal(error, key, settings['base_url'])}") from None
    rows = listed.get("data") if isinstance(listed, dict) else None
    names = [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)] if isinstance(rows, list) else []
    return [_without(key, name) for name in names] or None


def _price(prompt_tokens: int, completion_tokens: int, settings: dict) -> float:
    return (prompt_tokens * settings["input_price"] + completion_tokens * settings["output_price"]) / 1e6


def _at_most(request: dict, settings: dict) -> float:
    """A token is a byte or more, and JSON's own signs are more than what a chat format adds."""
    size = len(json.dumps(request["messages"], ensure_ascii=False).encode(errors="replace"))
    return _price(size, request["max_tokens"], settings)


def _paid(db: sqlite3.Connection, client: "OpenAI", requests: dict[str, dict], settings: dict) -> Iterator[tuple[float, int]]:
    """Ask for every one of `requests`, by key, many at a time; yields dollars spent and failures after each that is settled."""
    limit, budget, spent, failed = settings["concurrency"], settings["budget"], answers.spent(db), 0
    most = {key: _at_most(request, settings) for key, request in requests.items()}
    waiting, running, spoilt = deque(requests), {}, Counter()  # keys; future -> key; key -> how often

    def keep(future: Future) -> tuple[str, object]:
        nonlocal spent
        key, response = running.pop(future), future.result()
        dollars = cost(requests[key], response, settings)
        if dollars or answers.read(response):
            answers.keep(db, key, requests[key], response, dollars)
        spent += dollars
        return key, response

    with ThreadPoolExecutor(limit) as pool:
        try:
            while waiting or running:
                if waiting and len(running) < limit and spent + sum(most[key] for key in [*running.values(), waiting[0]]) <= budget:
                    key = waiting.popleft()
                    running[pool.submit(_response, client, requests[key], settings, spoilt[key])] = key
                elif running:  # what these cost may be less than the most
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        key, response = keep(future)
                        if not answers.missing(db, [key]):
                            failed += bool(answers.kept(db, key)[0].failure)
                            yield spent, failed
                            continue
                        spoilt[key] += 1
                        if spoilt[key] > settings["retries"] and not answers.read(response):
                            raise _unreadable(response, spoilt[key], settings)
                        waiting.append(key)
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
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise UserError(f"{KEY} is not set in the environment; a server without keys takes any text")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(f"{KEY} holds a space or another character that no key has")
    from openai import OpenAI  # a second, which answers from the cache do not need

    return OpenAI(api_key=key, base_url=settings["base_url"], max_retries=settings["retries"], timeout=settings["timeout"])


def _response(client: "OpenAI", request: dict, settings: dict, spoilt: int) -> object:
    """What came for one request, JSON or a text, without the key. The client retries what failed on the way; after what came in vain we wait."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    key, times = client.api_key, settings["retries"] + 1
    if spoilt:
        time.sleep(min(8.0, 0.25 * 2**spoilt))
    try:
        text = client.chat.completions.with_raw_response.create(**{name: value for name, value in request.items() if name != "sample"}).text
        response = answers.parsed(text)
        return _without(key, text) if response is None else answers.parsed(_without(key, json.dumps(response)))  # JSON may escape its letters
    except APITimeoutError:
        problem = f"no answer within {settings['timeout']} seconds, {times} times; is llm.timeout too short?"
    except APIConnectionError as error:
        problem = (
            f"cannot be reached, or cuts the connection ({brief(ValueError(_without(key, str(error.__cause__ or error))))}); is llm.base_url right?"
        )
    except APIStatusError as error:
        problem = _refusal(error, key, settings["base_url"])
    raise UserError(f"{_without(key, settings['base_url'])}: {problem}") from None  # the library's error may hold the key


def _refusal(error: "APIStatusError", key: str, url: str) -> str:
    """What a status means. A proxy on the way may send one too: only the server's own form speaks of its keys."""
    status, text = error.status_code, error.response.text
    words = brief(ValueError(_without(key, _words(text) or error.response.reason_phrase)))
    if status == 401 or (status == 403 and isinstance(answers.parsed(text), dict) and SPEAKS_OF_THE_KEY.search(words)):
        return f"refuses the key in {KEY} ({status}): {words}"
    after = error.response.headers.get("retry-after")
    return f"answers {status}{f' (try again after {after} s)' if after else ''}: {words}{_hint(url) if status in (404, 405) else ''}"


def _unreadable(response: object, times: int, settings: dict) -> UserError:
    words = brief(ValueError(_words(response if isinstance(response, str) else json.dumps(response))))
    return UserError(f"{settings['base_url']}: no answer can be read in what it sent {times} times: {words}{_hint(settings['base_url'])}")


def _hint(url: str) -> str:
    return "" if re.search(r"/v\d", url) else "; most servers' addresses end in /v1: is llm.base_url complete?"


def _words(text: str) -> str:
    """What a server says: of JSON the message, of a page what is to be read in it."""
    answer = answers.parsed(text)
    if answer is None:
        return re.sub(r"<(style|script)\b[^<]*|<[^<>]*>", " ", text[:10_000], flags=re.IGNORECASE).strip()
    while isinstance(answer, dict) and (inner := next((answer[name] for name in WORDS if answer.get(name)), None)):
        answer = inner
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _without(key: str, text: str) -> str:
    """`text` without the key and without any part of it of `PART` signs or more, should a server echo it."""
    if not any(key[i : i + PART] in text for i in range(len(key) - PART + 1)):
        return text
    for length in range(len(key), PART - 1, -1):  # the longest first: what is left of it is shorter than any part
        for start in range(len(key) - length + 1):
            text = text.replace(key[start : start + length], "[key]")
    return text
