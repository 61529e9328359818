"""The server-less explainer: what it quotes, how much, and that its own words say nothing."""

import json
import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from rewardscope.explain.tokens import NEVER, STRONGEST, Corpus, explain, strongest
from rewardscope.models.pretrain import train_tokenizer
from rewardscope.rewards import vocabulary
from rewardscope.rewards.utility import load_table, utilities

SETTINGS = {"tokens": 50, "words": 8, "reviews": 5, "promoted": 4}
RAISED = [{"token": " tape", "logit": 2.0}, {"token": "reel", "logit": 1.0}]
LOWERED = [{"token": " chair", "logit": -1.5}]


@pytest.fixture(scope="module")
def documents() -> pd.DataFrame:
    """Sixty documents of words and spaces, every fourth held; its rows do not start at 0."""
    texts = list(tiny.texts())
    return pd.DataFrame({"text": texts, "part": ["held" if i % 4 == 3 else "fit" for i in range(60)]}, index=range(500, 560))


@pytest.fixture(scope="module")
def corpus(documents) -> Corpus:
    return Corpus(documents, tiny.tokenizer(), 64)


def words_of_tokens(text: str) -> list[str]:
    """For each token the word it ends in, from the text decoded up to it: a second way to what Corpus does by offsets."""
    ids, found = tiny.tokenizer()(text)["input_ids"][:64], []
    for end in range(1, len(ids) + 1):
        upto = tiny.tokenizer().decode(ids[:end])
        start = upto.rfind(" ") + 1
        found.append(text[start:].split(" ")[0].rstrip(".").lower() if len(upto) > start and upto[-1] != "." else "")
    return found


def fires(corpus: Corpus, where) -> pd.DataFrame:
    """A feature that fires on the tokens for which `where(document, position, word)` is a positive number."""
    rows = [
        (document, position, float(value))
        for document, words in corpus.words.items()
        for position, word in enumerate(words)
        if position > 0 and (value := where(document, position, word))
    ]
    return pd.DataFrame(rows, columns=["document", "position", "value"])


def explained(corpus: Corpus, where, **settings) -> dict:
    return explain(7, fires(corpus, where), corpus, RAISED, LOWERED, {**SETTINGS, **settings})


# ---- the corpus as words -----------------------------------------------------------------------
def test_tokens_become_whole_words(documents, corpus):
    assert list(corpus.words) == documents.index[documents["part"] == "fit"].tolist()
    for document, words in corpus.words.items():
        assert words == words_of_tokens(documents["text"][document])
    pieces = [len(tiny.tokenizer()(f" {word}")["input_ids"]) for word in ("everything", "well-made", "don't")]
    assert min(pieces) > 1  # words of several tokens are among them


def test_shares_are_of_fit_documents(documents, corpus):
    counts = Counter(word for row, part in documents["part"].items() if part == "fit" for word in words_of_tokens(documents["text"][row]) if word)
    total = sum(counts.values())
    assert corpus.share == pytest.approx({word: count / total for word, count in counts.items()})
    held = set(" ".join(documents["text"][documents["part"] == "held"]).lower().replace(".", "").split())
    assert {"3", "7", "11"} < held and not {"3", "7", "11"} & corpus.share.keys()  # the numbers of held documents


def test_only_as_many_tokens_as_were_read(documents):
    assert max(len(words) for words in Corpus(documents, tiny.tokenizer(), 9).words.values()) == 9


@pytest.mark.parametrize("apostrophe", ["'", "\N{RIGHT SINGLE QUOTATION MARK}"])
def test_words_are_those_that_the_reward_counts(apostrophe):
    text = f"WE don{apostrophe}t, really: a well-made film!"
    words = Corpus(pd.DataFrame({"text": [text], "part": ["fit"]}), tiny.tokenizer(), 64).words[0]
    assert [word for word, after in zip(words, [*words[1:], ""], strict=True) if word and word != after] == [
        "we", "don't", "really", "a", "well-made", "film",
    ]  # fmt: skip
    assert words.count("") >= 3  # punctuation is no word


# ---- what is quoted ----------------------------------------------------------------------------
def test_a_feature_of_one_word(corpus):
    found = explained(corpus, lambda _d, _p, word: word == "terrible")
    assert found["words"][0] == "terrible"
    assert found["activates_on"].startswith('Fires on "terrible", after "')
    assert "terrible" not in found["words"][1:] and len(found["words"]) == 8 == len(set(found["words"]))
    before = Counter(
        next(w for w in reversed(words[:p]) if w and w != "terrible")
        for words in corpus.words.values() for p, word in enumerate(words[:50]) if p and word == "terrible" and any(words[:p])
    )  # fmt: skip
    assert set(found["words"][1:]) <= set(before)


def test_lift_by_hand():
    """Twelve words of one token each: p log(p / share) decides, not the count."""
    text = " the the the the the the film film dull good good good"
    share = {"the": 6 / 12, "film": 2 / 12, "dull": 1 / 12, "good": 3 / 12}
    corpus = Corpus(pd.DataFrame({"text": [text], "part": ["fit"]}), train_tokenizer([text] * 9, 300), 64)
    assert corpus.share == share and len(corpus.words[0]) == 12
    positions = [1, 2, 3, 4, 6, 7, 8, 9]  # the 4, film 2, dull 1, good 1
    feature = pd.DataFrame({"document": 0, "position": positions, "value": 1.0})
    p = {"the": 4 / 8, "film": 2 / 8, "dull": 1 / 8, "good": 1 / 8}
    lift = {word: p[word] * math.log(p[word] / share[word]) for word in p}
    assert sorted(lift.values(), reverse=True) == [lift[word] for word in ("film", "dull", "the", "good")]
    assert len({round(value, 9) for value in lift.values()}) == 4
    found = explain(0, feature, corpus, [], [], {**SETTINGS, "words": 6})
    assert found["words"] == ["film", "dull", "the", "good"]  # 6 - 6 // 3 = 4 of its own words, and there are no more
    found = explain(0, feature, corpus, [], [], {**SETTINGS, "words": 3})
    assert found["words"][:2] == ["film", "dull"] and len(found["words"]) == 3
    assert found["activates_on"].startswith('Fires on "film", "dull", after "')


FEATURES = {
    "one word": lambda _d, _p, word: word == "terrible",
    "everywhere": lambda d, p, _w: 1 + (d * 7 + p * 3) % 11,
    "one document": lambda d, _p, word: d == 504 and word != "",
    "one token": lambda d, p, _w: d == 504 and p == 6,
    "punctuation": lambda _d, _p, word: word == "",
    "later tokens": lambda _d, p, _w: p > 50,
    "position 1": lambda _d, p, _w: p == 1,
}


@pytest.mark.parametrize("count", [1, 2, 3, 8, 12])
@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_quotes_equally_many_words(corpus, name, count):
    found = explained(corpus, FEATURES[name], words=count)
    assert len(found["words"]) == count == len(set(found["words"]))
    assert all(found["activates_on"].count(f'"{word}"') == 1 for word in found["words"])
    assert found["activates_on"].count('"') == 2 * count


def test_a_feature_of_punctuation(corpus):
    assert explained(corpus, FEATURES["punctuation"])["activates_on"].startswith('Fires on punctuation, after "')


def test_a_feature_that_never_fires(corpus):
    found = explain(7, NEVER, corpus, RAISED, LOWERED, SETTINGS)
    assert found["words"] == [] and found["activates_on"] == "Fires on nothing."
    assert found["evidence"] == {"documents": [], "positions": [], "values": [], "strongest": 0}
    assert found["promotes"] == 'Makes "tape", "reel" more likely, "chair" less so.'


def test_the_template_says_nothing(corpus):
    """With quoted words that carry no utility the sentences carry none, at every position that is read."""
    vader = load_table("vader")
    neutral = Corpus(pd.DataFrame({"text": [" film a movie the scene this actor of" * 8], "part": ["fit"]}), tiny.tokenizer(), 64)
    for where in (lambda _d, _p, word: word == "film", lambda _d, _p, _w: True, lambda _d, _p, word: word == "nowhere"):
        found = explained(neutral, where)
        assert utilities(found["activates_on"] + " " + found["promotes"], vader) == []
    for position in range(1, 50):
        found = explained(neutral, lambda _d, p, _w, position=position: p == position)
        assert f"mostly within tokens {position // 10 * 10} to {position // 10 * 10 + 10}." in found["activates_on"]
        assert utilities(found["activates_on"], vader) == []
    assert utilities(explained(corpus, FEATURES["punctuation"], words=0)["activates_on"], vader) == []
    loud = explain(7, NEVER, corpus, [{"token": " great", "logit": 1.0}], LOWERED, SETTINGS)
    assert utilities(loud["promotes"], vader) == [("great", 3.1)]  # a quoted word does speak


# ---- evidence and positions --------------------------------------------------------------------
def test_evidence(corpus):
    """The documents with the largest single activation, and where it is."""
    values = {500: {3: 1.0, 9: 6.0}, 501: {2: 5.0, 4: 4.9}, 504: {7: 2.0}, 505: {1: 9.0, 2: 0.5}, 508: {5: 2.5, 6: 3.0}, 512: {4: 1.5}}
    found = explained(corpus, lambda d, p, _w: values.get(d, {}).get(p, 0))
    assert found["evidence"] == {
        "documents": [505, 500, 501, 508, 504], "positions": [1, 9, 2, 6, 7], "values": [9.0, 6.0, 5.0, 3.0, 2.0], "strongest": 10,
    }  # fmt: skip
    two = explained(corpus, lambda d, p, _w: values.get(d, {}).get(p, 0), reviews=2)["evidence"]
    assert (two["documents"], two["positions"]) == ([505, 500], [1, 9])
    assert json.loads(json.dumps(found)) == found  # plain numbers


@pytest.mark.parametrize(
    ("positions", "phrase"),
    [
        ([2, 4, 6, 8, 10], "tokens 0 to 10"),
        ([5], "tokens 0 to 10"),
        ([1, 1, 1, 1, 30], "tokens 0 to 10"),
        ([3, 60, 61, 62], "tokens 0 to 10"),
        ([20, 25, 30, 38, 44], "tokens 20 to 40"),
    ],
)
def test_position_phrase(corpus, positions, phrase):
    """The middle half of the strongest activations; what is not read (from token 50) does not count if there is other."""
    feature = pd.DataFrame({"document": [500, 501, 502, 504, 505][: len(positions)], "position": positions, "value": 1.0})
    assert explain(7, feature, corpus, [], [], SETTINGS)["activates_on"].endswith(f", mostly within {phrase}.")


def test_a_feature_of_later_tokens(corpus):
    longest = max(corpus.words, key=lambda document: len(corpus.words[document]))
    assert len(corpus.words[longest]) == 64
    found = explained(corpus, FEATURES["later tokens"])
    low, high = found["activates_on"].split("tokens ")[1].rstrip(".").split(" to ")
    assert 50 <= int(low) < int(high) <= 70


def test_positions_count_from_0(corpus):
    """Of 5 tokens that are read the last stands at 4."""
    feature = pd.DataFrame({"document": [500, 500], "position": [4, 5], "value": [1.0, 9.0]})
    found = explain(7, feature, corpus, [], [], {**SETTINGS, "tokens": 5})
    assert found["evidence"] == {"documents": [500], "positions": [4], "values": [1.0], "strongest": 1}


def test_only_the_strongest_speak(corpus):
    """Once a word has 200 strong activations, the many weaker ones of every other word are not heard."""
    rows = fires(corpus, lambda _d, p, word: p < 50 and (9 + p / 100 if word == "the" else 1))
    strong = rows[rows["value"] > 2]
    assert len(strong) < STRONGEST < len(rows)
    few = explain(7, rows, corpus, [], [], SETTINGS)
    assert few["words"][0] == "the" and not few["activates_on"].startswith('Fires on "the", after')
    more = pd.concat([rows, *[strong] * math.ceil(STRONGEST / len(strong))], ignore_index=True)
    many = explain(7, more, corpus, [], [], SETTINGS)
    assert many["activates_on"].startswith('Fires on "the", after') and len(many["words"]) == 8
    assert few["evidence"]["strongest"] == many["evidence"]["strongest"] == STRONGEST


def test_deterministic(documents, corpus):
    for where in FEATURES.values():
        rows = fires(corpus, where)
        again = Corpus(documents, tiny.tokenizer(), 64)
        assert explain(7, rows, corpus, RAISED, LOWERED, SETTINGS) == explain(7, rows.copy(), again, RAISED, LOWERED, SETTINGS)
    rows = fires(corpus, lambda d, p, _w: d + p / 100)
    rows["value"] += np.arange(len(rows)) * 1e-6  # no two alike: then the order of rows is nothing
    mixed = rows.sample(frac=1, random_state=0).reset_index(drop=True)
    assert explain(7, rows, corpus, RAISED, LOWERED, SETTINGS) == explain(7, mixed, corpus, RAISED, LOWERED, SETTINGS)


def test_form(corpus):
    found = explained(corpus, FEATURES["one word"])
    assert found.keys() == {"feature", "activates_on", "promotes", "words", "raised", "lowered", "evidence", "explainer"}
    assert (found["feature"], found["explainer"]) == (7, "tokens")
    assert (found["raised"], found["lowered"]) == (RAISED, LOWERED)


# ---- what is promoted --------------------------------------------------------------------------
def test_strongest():
    """Of tokens 0 to 9 five are whole words; what is none of them may rise or fall as it likes."""
    words = pd.DataFrame({"token": [2, 3, 5, 6, 9], "text": [" film", "x", " the", " a", " good"]})
    logits = torch.zeros(2, 12)
    logits[0, [2, 3, 5, 6]] = torch.tensor([9.0, 7.0, 5.0, 3.0])
    logits[0, [0, 4, 11]], logits[0, [1, 8, 10]] = 50.0, -50.0  # special, a piece of a word, no token
    logits[1] = -logits[0]
    raised, lowered = strongest(logits, words, 3)
    top = [{"id": 2, "token": " film", "logit": 9.0}, {"id": 3, "token": "x", "logit": 7.0}, {"id": 5, "token": " the", "logit": 5.0}]
    assert raised[0] == top and lowered[1] == [{**token, "logit": -token["logit"]} for token in top]
    assert lowered[0][0] == {"id": 9, "token": " good", "logit": 0.0} == raised[1][0]
    assert [token["token"] for token in lowered[0][1:]] == [" a", " the"] == [token["token"] for token in raised[1][1:]]
    every, _ = strongest(logits, words, 10_000)
    assert [token["token"] for token in every[0]] == [" film", "x", " the", " a", " good"]
    assert strongest(logits, words[:0], 3) == ([[], []], [[], []])


def test_no_piece_of_a_word_is_quoted():
    """ " good" stands alone, " ba" only in "bad": of the two that rise most the one is named."""
    texts = [" good film ba", " good film bad", " good bad", " good bad"]
    tokenizer = train_tokenizer([" good"] * 99 + [" film"] * 99 + [" ba"] * 99, tiny.VOCABULARY)
    ids = {piece: tokenizer(piece)["input_ids"] for piece in (" good", " film", " ba", " bad")}
    assert [len(found) for found in ids.values()] == [1, 1, 1, 2] and ids[" bad"][0] == ids[" ba"][0]
    logits = torch.zeros(1, tiny.VOCABULARY)
    logits[0, ids[" good"][0]], logits[0, ids[" ba"][0]] = 1.0, 2.0
    assert strongest(logits, vocabulary.whole_words(texts, tokenizer), 1)[0] == [[{"id": ids[" good"][0], "token": " good", "logit": 1.0}]]
