"""The deterministic simulator: what it reads in a sentence, and what it predicts from that."""

import numpy as np
import pandas as pd
import pytest
import tiny

from rewardscope.explain.tokens import NEVER, Corpus, explain
from rewardscope.scores.word_simulator import claimed, predict, words

SENTENCE = 'Fires on "the", "don\'t", after "of", before "film", "x", in documents with "love", mostly within tokens 10 to 30.'


def test_read():
    assert claimed(SENTENCE) == {"on": {"the", "don't"}, "after": {"of"}, "before": {"film", "x"}, "documents": {"love"}, "within": (10, 30)}
    assert claimed('Fires on "after", "before", mostly within tokens 0 to 10.') == {"on": {"after", "before"}, "within": (0, 10)}
    assert claimed('Fires on punctuation, after "well-made", mostly within tokens 0 to 10.') == {
        "on": {""},
        "after": {"well-made"},
        "within": (0, 10),
    }
    assert claimed("Fires on nothing.") == claimed("") == claimed("Opinions on films, after all.") == {}


def test_it_reads_what_the_explainer_writes():
    texts = list(tiny.texts())
    corpus = Corpus(pd.DataFrame({"text": texts, "part": "fit"}), tiny.tokenizer(), 64)
    rows = [(d, p, 1.0 + p) for d, own in corpus.words.items() for p, word in enumerate(own) if word == "film" and p]
    line = explain(7, pd.DataFrame(rows, columns=["document", "position", "value"]), corpus, [], [], {"tokens": 50, "words": 8, "reviews": 5})
    said = claimed(line["activates_on"])
    assert "film" in said["on"] and said["within"][0] < said["within"][1]
    assert set().union(*(said[part] for part in said if part != "within")) == set(line["words"])
    assert claimed(explain(7, NEVER, corpus, [], [], {"tokens": 50, "words": 8, "reviews": 5})["activates_on"]) == {}


def test_words_of_a_window():
    texts = [" The", " unforget", "table", "'s", " film", ",", " don", "\N{RIGHT SINGLE QUOTATION MARK}t", "."]
    assert words(texts) == ["the", "unforgettable's", "unforgettable's", "unforgettable's", "film", "", "don't", "don't", ""]
    assert words([]) == []


@pytest.mark.parametrize(
    ("sentence", "expected"),  # of: of, the, fil, m, ".", ends, at positions 10 to 15
    [
        ('Fires on "film".', [0, 0, 10, 10, 0, 0]),
        ('Fires on "film", after "the".', [0, 0, 10, 10, 0, 0]),
        ('Fires on "film", "of", after "the".', [5, 0, 10, 10, 0, 0]),
        ('Fires on "film", "of", after "the", before "ends".', [10 / 3, 0, 10, 10, 10 / 3, 0]),
        ('Fires on "x", in documents with "ends".', [5, 5, 5, 5, 5, 5]),
        ("Fires on punctuation.", [0, 0, 0, 0, 10, 0]),
        ('Fires on "film", "the", mostly within tokens 0 to 12.', [0, 10, 10, 5, 0, 0]),
        ("", [0, 0, 0, 0, 0, 0]),
    ],
)
def test_predictions_by_hand(sentence, expected):
    window = words([" of", " the", " fil", "m", ".", " ends"])
    assert predict(claimed(sentence), window, np.arange(10, 16)).tolist() == pytest.approx(expected)
