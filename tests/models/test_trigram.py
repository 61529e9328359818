"""The trigram model: a probability over the vocabulary in every context, and Kneser-Ney by hand."""

import itertools
import math

import numpy as np
import pytest
import tiny

from rewardscope.models.pretrain import stream
from rewardscope.models.trigram import Trigram

VOCABULARY = 12


@pytest.fixture(scope="module")
def skewed() -> np.ndarray:
    """A stream in which tokens 10 and 11 never stand and many pairs are never seen."""
    rng = np.random.default_rng(0)
    return rng.choice(10, size=600, p=np.arange(10, 0, -1) / 55)


def probability(model: Trigram, context: tuple[int, int], word: int) -> float:
    return math.exp(model.log_probability(context, word))


def test_sums_to_one(skewed):
    model = Trigram(skewed, VOCABULARY)
    seen = set(zip(skewed.tolist(), skewed.tolist()[1:], strict=False))
    contexts = list(itertools.product(range(VOCABULARY), repeat=2))
    assert 10 < sum(context in seen for context in contexts) < 100  # both kinds occur
    for context in contexts:
        p = [probability(model, context, word) for word in range(VOCABULARY)]
        assert sum(p) == pytest.approx(1, abs=1e-12) and min(p) > 0


def test_by_hand():
    """The stream 0 1 2 0 1 2 0 1 0, vocabulary 4.

    Trigrams: 012 twice, 120 twice, 201 twice, 010 once. Counts of counts n1 = 1, n2 = 3: Y = 1 / 7;
    D1 = 1 - 2 Y n2 / n1 = 1/7, D2 = 2 - 3 Y n3 / n2 = 2.
    Bigrams by different words before: 12, 20, 01, 10 once each: Y = 1, D1 = 1 - 0 = 1.
    Words by different words before: 0 after 2 and 1, 1 after 0, 2 after 1: n1 = 2, n2 = 1: Y = 1/2,
    D1 = 1 - 2 Y / 2 = 1/2, D2 = 2.
    """
    model = Trigram(np.array([0, 1, 2, 0, 1, 2, 0, 1, 0]), 4)
    gamma = (0.5 + 0.5 + 2) / 4  # of the words
    one = {0: 0 + gamma / 4, 1: 0.5 / 4 + gamma / 4, 2: 0.5 / 4 + gamma / 4, 3: gamma / 4}
    # after 1: words 2 and 0, once each, discounts 1: everything goes to the lower order
    after_1 = one
    # after 0 1: 2 twice, 0 once; total 3; discounts 2 and 1/7
    gamma = (2 + 1 / 7) / 3
    expected = {
        0: (1 - 1 / 7) / 3 + gamma * after_1[0],
        1: gamma * after_1[1],
        2: (2 - 2) / 3 + gamma * after_1[2],
        3: gamma * after_1[3],
    }
    assert sum(expected.values()) == pytest.approx(1)
    for word, p in expected.items():
        assert probability(model, (0, 1), word) == pytest.approx(p, rel=1e-12)
        assert probability(model, (3, 1), word) == pytest.approx(after_1[word], rel=1e-12)  # 3 1 never stands
        assert probability(model, (3, 3), word) == pytest.approx(one[word], rel=1e-12)  # nor does 3
    # perplexity: each token but the first two
    p = [probability(model, context, word) for context, word in (((0, 1), 2), ((1, 2), 0), ((2, 0), 1))]
    assert model.perplexity(np.array([0, 1, 2, 0, 1])) == pytest.approx(math.prod(p) ** (-1 / 3), rel=1e-12)


def test_discounts_of_modified_kneser_ney():
    """Discounts by equation 26 of Chen and Goodman where all counts of counts are there."""
    trigrams = [(10 + i, 0, 1) for i in range(8)] + [(30 + i, 0, 1) for i in range(4)] * 2 + [(50 + i, 0, 1) for i in range(2)] * 3
    trigrams += [(70, 0, 1)] * 4
    # each trigram apart from the next by tokens of their own, so that every other trigram stands once
    fresh = itertools.count(100)
    tokens = [token for gram in trigrams for token in (*gram, next(fresh), next(fresh))]
    model = Trigram(np.array(tokens), 1000)
    counts = {}
    for gram in zip(tokens, tokens[1:], tokens[2:], strict=False):
        counts[gram] = counts.get(gram, 0) + 1
    n = [None] + [sum(count == i for count in counts.values()) for i in (1, 2, 3, 4)]
    assert n[2:] == [4, 2, 1]
    y = n[1] / (n[1] + 2 * n[2])
    d = [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
    lower = probability(model, (999, 0), 1)  # after an unseen pair: the bigram's probability
    for u, count in ((10, 1), (30, 2), (50, 3), (70, 4)):
        expected = (count - d[min(count, 3)] + d[min(count, 3)] * lower) / count
        assert probability(model, (u, 0), 1) == pytest.approx(expected, rel=1e-12)


def test_no_word_is_impossible():
    """Counts of counts for which the estimate of a discount is negative: here D2 = 2 - 3 Y n3 / n2 < 0."""
    grams = [(10 + i, 1, 2) for i in range(2)] * 2 + [(20 + i, 3, 4) for i in range(40)] * 3
    fresh = itertools.count(100)
    tokens = np.array([token for gram in grams for token in (*gram, next(fresh), next(fresh))])
    model = Trigram(tokens, 2000)
    p = [probability(model, (10, 1), word) for word in range(2000)]
    assert min(p) > 0 and sum(p) == pytest.approx(1, abs=1e-9)
    assert p[2] > 0.5  # seen there twice, and nothing else was


def test_of_random_tokens_is_the_vocabulary():
    rng = np.random.default_rng(1)
    model = Trigram(rng.integers(12, size=40_000), 12)  # some 280 tokens after every pair
    assert model.perplexity(rng.integers(12, size=5_000)) == pytest.approx(12, rel=0.03)


def test_learns_what_a_pair_tells():
    rng = np.random.default_rng(2)
    tokens = [0, 1]
    for _ in range(12_000):
        tokens.append((tokens[-1] + tokens[-2] + int(rng.random() < 0.5)) % 10)  # two equally likely next tokens
    assert Trigram(np.array(tokens[:10_000]), 10).perplexity(np.array(tokens[10_000:])) == pytest.approx(2, rel=0.05)


def test_of_documents():
    """Seen text is less surprising than unseen text of the same kind, that less than shuffled tokens."""
    tokenizer = tiny.tokenizer()
    known, unseen = (stream(tokenizer, list(part)).numpy() for part in (tiny.texts()[:40], tiny.texts()[40:]))
    model = Trigram(known, 300)
    shuffled = np.random.default_rng(3).permutation(unseen)
    assert model.perplexity(known) < model.perplexity(unseen) < 0.5 * model.perplexity(shuffled)
