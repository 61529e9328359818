"""What the server-less explainer's sentence says about a text: a deterministic simulator, which reads the sentence and nothing else.

A token's prediction is the share of what the sentence names that holds for it: it is one of the words (`Fires on "the"`;
or punctuation), it stands after one (`after "of"`), before one, in a text with one. Outside of the positions that the sentence
gives, where half of the feature's strongest activations lie, the prediction is halved. On the scale from 0 to 10.
"""

import re

import numpy as np

from rewardscope.data.words import spans
from rewardscope.explain.tokens import word_after, word_before, words_at

PARTS = {"on": "Fires on ", "after": "after ", "before": "before ", "documents": "in documents with "}
WITHIN = re.compile(r"mostly within tokens (\d+) to (\d+)\.$")
QUOTED = re.compile(r'"([^"]*)"')
LIST = r'("[^"]*"(?:, "[^"]*")*)'


def claimed(sentence: str) -> dict:
    """What an `activates_on` of the explainer `tokens` names: words by part, and `within`, the positions; empty of an empty text."""
    claims: dict = {}
    for part, start in PARTS.items():
        if quoted := re.search(rf"(?:^|, ){start}{LIST}", sentence):
            claims[part] = set(QUOTED.findall(quoted[1]))
    if sentence.startswith("Fires on punctuation"):
        claims["on"] = {""}  # tokens that belong to no word
    if within := WITHIN.search(sentence):
        claims["within"] = int(within[1]), int(within[2])
    return claims


def words(texts: list[str]) -> list[str]:
    """For every token of a window, the word that it is or is part of; empty for punctuation. One without text is part of the next letter."""
    starts = np.cumsum([0, *(len(text) for text in texts)]).tolist()[:-1]
    places = [(start, start + max(1, len(text))) for start, text in zip(starts, texts, strict=True)]
    return words_at(places, spans("".join(texts)))


def predict(claims: dict, words: list[str], positions: np.ndarray) -> np.ndarray:
    """Predictions `[T]` from 0 to 10 for a window's tokens, given as `words` says; `claims`: as `claimed` says."""
    holds = {
        "on": lambda t: words[t] in claims["on"],
        "after": lambda t: word_before(words, t) in claims["after"],
        "before": lambda t: word_after(words, t) in claims["before"],
        "documents": lambda _t: not claims["documents"].isdisjoint(words),
    }
    named = [part for part in holds if part in claims]
    if not named:
        return np.zeros(len(words))
    share = np.array([np.mean([holds[part](t) for part in named]) for t in range(len(words))])
    low, high = claims.get("within", (0, np.inf))
    return 10 * share * np.where((positions >= low) & (positions <= high), 1, 0.5)
