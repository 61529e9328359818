"""Parts of planted rewards: a text's words and marks, what may be true of a word's place, and what is paid for it.

A kind is a `Kind`: called with texts it gives a number for each, as a reward of `file.py:name` must. Most kinds look at every occurrence of
some words: it pays 1 where a condition holds and costs `cost` where it does not, `cost` chosen so that the counts of words say little.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

MARKS = frozenset(".,;:!?/")
END = frozenset(".!?")
TOKEN = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*|[.,;:!?/]")
MOST = 2.0  # what a text may gain or lose: four of the standard deviations below. Without it PPO repeats one word at 50 and 100 nats
LATE = 10  # words from the beginning of a text, from which a word is late in it; PPO's texts have 14 to 19, the windows of kinds.py 18 to 25
FUNCTION_WORDS = frozenset("the a an of to in and is it i was as at for with by on that from has not so are this my his her".split())
Score = Callable[[list[str]], float]
Condition = Callable[[list[str], int], bool | None]


class Kind(NamedTuple):
    """A planted reward: `scale` times the score of a text's tokens."""

    family: str
    pays: str
    """in words, for people"""
    scale: float
    """chosen so that the standard deviation over windows of the corpus is about 0.5"""
    score: Score

    def __call__(self, texts: list[str]) -> list[float]:
        return [min(max(self.scale * self.score(tokens(text)), -MOST), MOST) for text in texts]


def tokens(text: str) -> list[str]:
    """Words in lower case and marks, in order: "It's 3/10." -> ["it's", "3", "/", "10", "."]."""
    return TOKEN.findall(text.lower())


def sentences(row: list[str]) -> list[list[str]]:
    """The words of every finished sentence; what follows the last full stop is none."""
    found: list[list[str]] = [[]]
    for token in row:
        if token in END:
            found.append([])
        elif token not in MARKS:
            found[-1].append(token)
    return [words for words in found[:-1] if words]


# ---- scores ----------------------------------------------------------------------------------
def count(words: Collection[str] | Callable[[str], bool]) -> Score:
    """How many tokens are among `words`, or fulfil it."""
    holds = words if callable(words) else frozenset(words).__contains__
    return lambda row: sum(map(holds, row))


def where(words: Collection[str], condition: Condition, cost: float, tolls: Mapping[str, float] | None = None) -> Score:
    """For each of `words`: 1 where the condition holds, -`cost` where it does not, 0 where it says None; less the toll of each token that has one.

    Tolls are for the words of the condition: without them, these alone would foretell what is paid.
    """
    chosen, values, tolls = frozenset(words), {True: 1.0, False: -cost, None: 0.0}, dict(tolls or {})

    def score(row: list[str]) -> float:
        paid = sum(values[condition(row, i)] for i, token in enumerate(row) if token in chosen)
        return paid - sum(tolls[token] for token in row if token in tolls)

    return score


def order(first: Collection[str], second: Collection[str], cost: float = 1.0) -> Score:
    """1 where the first of `first` stands before the first of `second`, -`cost` where after it, 0 unless both are there."""
    a, b = frozenset(first), frozenset(second)

    def score(row: list[str]) -> float:
        i, j = (next((i for i, token in enumerate(row) if token in words), -1) for words in (a, b))
        return 0.0 if i < 0 or j < 0 else 1.0 if i < j else -cost

    return score


def neighbours(related: Callable[[str, str], bool], apart: int = 1) -> Score:
    """How many words are related to one of the `apart` words before them; no mark is a word."""

    def score(row: list[str]) -> float:
        words = [token for token in row if token not in MARKS]
        return float(sum(any(related(before, word) for before in words[max(0, i - apart) : i]) for i, word in enumerate(words)))

    return score


# ---- conditions on the place of the token `i` --------------------------------------------------
def after(*words: str) -> Condition:
    """Right after one of `words`."""
    chosen = frozenset(words)
    return lambda row, i: i > 0 and row[i - 1] in chosen


def soon_after(words: Collection[str], within: int) -> Condition:
    """Among the next `within` tokens after one of `words`, in the same sentence."""
    chosen = frozenset(words)

    def condition(row: list[str], i: int) -> bool:
        for token in reversed(row[max(0, i - within) : i]):
            if token in END:
                return False
            if token in chosen:
                return True
        return False

    return condition


def opens(row: list[str], i: int) -> bool | None:
    """The first word of a sentence; of the text's first word nobody can tell."""
    return None if i == 0 else row[i - 1] in END


def closes(row: list[str], i: int) -> bool | None:
    """The last word of a sentence; of the text's last word nobody can tell."""
    return None if i + 1 == len(row) else row[i + 1] in END


def late(row: list[str], i: int) -> bool:
    """After the `LATE`-th word of the text."""
    return sum(token not in MARKS for token in row[:i]) >= LATE


def early(row: list[str], i: int) -> bool:
    """Among the first `LATE` words of the text."""
    return not late(row, i)


def told(words: Collection[str], others: Collection[str] | None = None) -> Condition:
    """Whether one of `words` stands anywhere before; with `others`, whether the last of both kinds before is one of `words` (None: there is none)."""
    yes, no = frozenset(words), frozenset(others or ())

    def condition(row: list[str], i: int) -> bool | None:
        for token in reversed(row[:i]):
            if token in yes:
                return True
            if token in no:
                return False
        return None if others else False

    return condition
