"""What a language model predicts from an explanation: requests to a chat server, and the numbers in its answers.

Simulation after Bills et al. (2023) asks for a number from 0 to 10 for every token of a window, one request a window;
detection for one number for every window, in one request. A request holds an explanation and text, nothing else: neither
side, layer nor feature.
"""

import json
import math
import re

import numpy as np

from rewardscope.explain import prompts
from rewardscope.explain.answers import Answer

LINE = re.compile(r"^[^\S\n]*(\d+)[^\S\n]*[:.)][^\S\n]*(\d+)[^\S\n]*$", re.MULTILINE)
SCALE = range(11)
ALTERNATIVES = 5  # beside a token; some servers give no more, and twenty would be 100 kB an answer


def simulate(prompt: str, explanation: str, texts: list[str], position: int) -> dict:
    """The request for one window: its tokens `texts` `[T]`, the first of them at `position` of its document."""
    return _request(prompt, explanation, texts, position=position)


def detect(prompt: str, explanation: str, windows: list[list[str]]) -> dict:
    """The request for all windows of a feature `[n, T]`."""
    return _request(prompt, explanation, ["".join(texts) for texts in windows])


def _request(prompt: str, explanation: str, items: list[str], **more: object) -> dict:
    listed = "\n".join(f"{i}: {json.dumps(item, ensure_ascii=False)}" for i, item in enumerate(items, start=1))
    content = prompts.fill(prompt, explanation=explanation or "(empty)", items=listed, count=len(items), **more)
    return {
        "messages": [{"role": "user", "content": content}],
        "temperature": 0,
        "max_tokens": prompts.LINE_TOKENS * len(items),
        "logprobs": True,
        "top_logprobs": ALTERNATIVES,
    }


def numbers(answer: Answer, count: int) -> np.ndarray:
    """The numbers `[count]` from 0 to 10 that an answer gives to items 1 to `count`; all nan where it does not give each of them once.

    Where the server tells log-probabilities and a number is one token, its expected value over the alternatives that
    are numbers of the scale: sum p v / sum p.
    """
    lines = list(LINE.finditer(answer.text))
    if [int(line[1]) for line in lines] != list(range(1, count + 1)) or any(int(line[2]) not in SCALE for line in lines):
        return np.full(count, np.nan)
    pieces = [token["token"] for token in answer.tokens]
    start = "".join(pieces).rfind(answer.text)  # reasoning may stand before it, a special token behind it
    starts = (np.cumsum([0, *map(len, pieces)]) - start).tolist()
    told = dict(zip(starts, answer.tokens, strict=False)) if start >= 0 else {}
    return np.array([_expected(line, told) for line in lines])


def _expected(line: re.Match, told: dict[int, dict]) -> float:
    """`told`: the answer's tokens by where they start. A number's token may begin with the space before it."""
    plain, start = int(line[2]), line.start(2)
    token = told.get(start) or (told.get(start - 1) if line.string[start - 1] == " " else None)
    if token is None or token["token"].strip() != line[2]:
        return float(plain)
    chances = {text: chance for text, chance in _chances(token).items() if text.strip() in map(str, SCALE)}
    total = sum(chances.values())
    return sum(int(value) * chance for value, chance in chances.items()) / total if total else float(plain)


def _chances(token: dict) -> dict[str, float]:
    """The chance of a token and of each alternative; none where the server leaves out one of them, which would shift their mean."""
    top = token.get("top_logprobs") or []
    every = [*top, token] if isinstance(top, list) else []
    if not all(isinstance(other, dict) and isinstance(other.get("token"), str) and _is_logprob(other.get("logprob")) for other in every):
        return {}
    return {other["token"]: math.exp(max(other["logprob"], -1000)) for other in every}


def _is_logprob(value: object) -> bool:
    return isinstance(value, int | float) and value < 0.01  # 0 with its rounding; not nan
