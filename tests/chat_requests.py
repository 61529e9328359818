"""Requests to a chat server of the tests, and what comes back."""

import random
from pathlib import Path

import pytest
from fake_llm import KEY

from rewardscope.errors import UserError
from rewardscope.explain import client
from rewardscope.explain.answers import Answer

ANSWER = 0.02  # dollars: 10 tokens read at $1,000 a million, 5 written at $2,000
LIMITED = {"error": {"message": "slow down"}}


def settings(server, **keys) -> dict:
    """The `llm:` section; a place where no server is, for None."""
    common = {"concurrency": 4, "retries": 3, "timeout": 5.0, "budget": 10.0, "input_price": 1000.0, "output_price": 2000.0}
    return {"base_url": server.url if server else "http://127.0.0.1:9/v1", **common, **keys}


def request(i: int, sample: int = 1) -> dict:
    return {"model": "m", "messages": [{"role": "user", "content": f"prompt {i}"}], "temperature": 1.0, "max_tokens": 10, "sample": sample}


def answers(prompt: str) -> str | None:
    return prompt.replace("prompt", "answer") if prompt.startswith("prompt ") else None


def texts(found: list[tuple[Answer, float]]) -> list[str]:
    return [answer.text for answer, _ in found]


def ask(*arguments) -> list[tuple[Answer, float]]:
    return list(client.ask(*arguments))


def complaint(requests: list[dict], cache: Path, **keys) -> str:
    with pytest.raises(UserError) as caught:
        ask(requests, keys, cache)
    assert "\n" not in str(caught.value) and KEY not in str(caught.value)
    return str(caught.value)


def at_first(fault):
    """The fault for the first time that a prompt is asked."""
    seen = set()

    def of(_n: int, prompt: str):
        new = prompt not in seen
        seen.add(prompt)
        return fault if new else None

    return of


def files(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def half_fail(seed: int):
    """Half of the requests at random: refused for now, an error, a cut connection."""
    rng, hurry = random.Random(seed), {"Retry-After-Ms": "10"}
    faults = [(429, LIMITED, hurry), (500, {}, hurry), "cut"]
    return lambda _n, _prompt: rng.choice(faults) if rng.random() < 0.5 else None
