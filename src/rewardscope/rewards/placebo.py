"""Placebos of a word table: its values on other words of like frequency. What a reward of these would show, U's figures must exceed."""

from collections.abc import Mapping, Sequence

import numpy as np

ENDINGS = (
    "'s", "ingly", "edly", "ness", "ment", "able", "ably", "ible", "ibly", "ing", "est", "ful", "ies", "ied", "ed", "er", "es", "ly",
    "s", "d", "y", "i", "e",
)  # fmt: skip
STEM = 4  # letters that are left of a word at least


def stem(word: str) -> str:
    """A word without its most usual English endings, so that an inflection of a rewarded word is taken for no other word."""
    shorter = True
    while shorter:
        shorter = next((word[: -len(end)] for end in ENDINGS if word.endswith(end) and len(word) - len(end) >= STEM), "")
        word = shorter or word
    return word


def _related(word: str, table: Mapping[str, float], stems: set[str]) -> bool:
    """Whether a word or a part of it shares a stem with a word of the table, or is a short one of these with an ending ("badly")."""
    return any(stem(part) in stems or any(part.removesuffix(end) in table for end in ENDINGS) for part in (word, *word.split("-")))


def strata(*frequencies: Sequence[float]) -> list[tuple[int, ...]]:
    """For each word the stratum of its frequencies (one sequence each, `[words]`): each on a scale that doubles."""
    return list(zip(*(np.ceil(np.log2(1 + np.asarray(f, dtype=float))).astype(int).tolist() for f in frequencies), strict=True))


class Placebo:
    """Draws of a table's values on words outside it: within strata of frequency, no word twice."""

    def __init__(self, words: Sequence[str], table: Mapping[str, float], *frequencies: Sequence[float]):
        """`words` `[n]`, distinct, with their `frequencies`; values of `table` (of words among these) are what is moved.

        Words of the table, of utility 0 too, and words that share a stem with one of them get no value, nor do compounds with such a
        part. Where a stratum has too few other words, what is left over goes to the stratum nearest by its frequencies that has words
        left (`moved`: so many values); where none has any, nowhere (`short`).
        """
        stems, of = {stem(word) for word in table}, strata(*frequencies)
        self.count = len(words)
        self.values: dict[tuple[int, ...], list[float]] = {}
        self.others: dict[tuple[int, ...], list[int]] = {}
        for i, word in enumerate(words):
            if table.get(word):
                self.values.setdefault(of[i], []).append(table[word])
            elif not _related(word, table, stems):
                self.others.setdefault(of[i], []).append(i)
        # of a stratum's others: the strata that their values are of, its own first
        self.sources = {key: [key] * min(len(others), len(self.values.get(key, []))) for key, others in self.others.items()}
        left_over = [key for key in sorted(self.values) for _ in self.values[key][len(self.sources.get(key, [])) :]]
        self.moved = self.short = 0
        for key in left_over:
            free = [other for other, others in self.others.items() if len(others) > len(self.sources[other])]
            if free:
                nearest = min(free, key=lambda other: (sum(abs(a - b) for a, b in zip(key, other, strict=True)), other))
                self.sources[nearest].append(key)
                self.moved += 1
            else:
                self.short += 1

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One placebo: a value for each word `[n]`."""
        out, values = np.zeros(self.count), {key: iter(rng.permutation(of).tolist()) for key, of in self.values.items()}
        for key, sources in self.sources.items():
            out[rng.permutation(self.others[key])[: len(sources)]] = [next(values[source]) for source in sources]
        return out
