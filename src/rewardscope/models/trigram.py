"""A trigram model of tokens: what a language model must beat to have learned more than local word order."""

import math
from collections import Counter

import numpy as np
from jaxtyping import Int


class Trigram:
    """Interpolated Kneser-Ney with modified discounts (Chen and Goodman 1999, equations 22 to 26).

    P(w | u v) = (c(uvw) - D(c(uvw))) / c(uv.) + gamma(uv) P(w | v); the lower orders count in how many contexts
    a word was seen, and the last order is mixed with the uniform distribution over the vocabulary.
    """

    def __init__(self, tokens: Int[np.ndarray, "tokens"], vocabulary: int):
        self.vocabulary = vocabulary
        t = tokens.tolist()
        trigrams = Counter(zip(t, t[1:], t[2:], strict=False))
        bigrams = Counter((v, w) for _, v, w in trigrams)  # continuation counts
        unigrams = Counter(w for _, w in bigrams)
        self.orders = [_order({(): {w: c for w, c in unigrams.items()}}), _nest(bigrams), _nest(trigrams)]

    def log_probability(self, context: tuple[int, int], word: int) -> float:
        """Natural logarithm of P(word | context)."""
        p = 1 / self.vocabulary
        for order, key in zip(self.orders, ((), context[1:], context), strict=True):
            entry = order.get(key)
            if entry is not None:
                counts, discounts, total, gamma = entry
                count = counts.get(word, 0)
                p = (count - discounts[min(count, 3)]) / total + gamma * p
        return math.log(p)

    def perplexity(self, tokens: Int[np.ndarray, "tokens"]) -> float:
        """Per token, of a stream; each token but the first two is predicted once."""
        t = tokens.tolist()
        total = sum(self.log_probability((u, v), w) for u, v, w in zip(t, t[1:], t[2:], strict=False))
        return math.exp(-total / (len(t) - 2))


def _nest(ngrams: Counter) -> dict:
    nested: dict[tuple, dict[int, int]] = {}
    for gram, count in ngrams.items():
        nested.setdefault(gram[:-1], {})[gram[-1]] = count
    return _order(nested)


def _order(nested: dict[tuple, dict[int, int]]) -> dict:
    """context -> (counts, discounts by count 0..3+, total, gamma), discounts from the counts of counts.

    An estimate that is missing or not positive (it would leave unseen words no probability) becomes 0.5.
    """
    n = Counter(min(count, 5) for counts in nested.values() for count in counts.values())
    y = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.5
    estimates = [i - (i + 1) * y * n[i + 1] / n[i] if n[i] else 0.5 for i in (1, 2, 3)]
    discounts = [0.0] + [estimate if estimate > 0 else 0.5 for estimate in estimates]
    orders = {}
    for context, counts in nested.items():
        total = sum(counts.values())
        mass = sum(discounts[min(count, 3)] for count in counts.values())
        orders[context] = (counts, discounts, total, mass / total)
    return orders
