"""Corpora: what is kept, and a split that goes with the text."""

import pandas as pd
import pytest

from rewardscope.data import corpus
from rewardscope.data.corpus import finish
from rewardscope.errors import UserError


def frame(*texts: str, **columns) -> pd.DataFrame:
    return pd.DataFrame({"text": texts, **columns})


def many(count: int) -> pd.DataFrame:
    return frame(*(f"document number {i}" for i in range(count)))


def test_what_is_kept():
    tests = [f"test {i}" for i in range(20)]
    train = frame("b", "a", "", "b", " \n", "c", label=[1, 2, 3, 4, 5, 6])
    test = frame("c", *tests, " ", "test 3", "a", label=range(24))
    parts = finish({"train": train, "test": test}, 0.5)
    assert parts["train"]["text"].tolist() == ["b", "a", "c"]
    assert parts["train"]["label"].tolist() == [1, 2, 6]  # the first of equal texts, its facts beside it
    assert parts["test"]["text"].tolist() == tests  # not "c" and "a", which stand in train
    assert parts["test"]["label"].tolist() == list(range(1, 21))
    assert parts["test"].columns.tolist() == ["text", "part", "label"]
    assert parts["train"].columns.tolist() == ["text", "label"]
    assert parts["test"].index.tolist() == list(range(20)) and parts["train"].index.tolist() == [0, 1, 2]


@pytest.mark.parametrize("held", [0.1, 0.3, 0.8])
def test_share(held):
    part = finish({"train": frame("x"), "test": many(4000)}, held)["test"]["part"]
    assert set(part) == {"fit", "held"}
    assert (part == "held").mean() == pytest.approx(held, abs=0.025)  # 3 standard errors at most


def test_the_part_goes_with_the_text():
    """It survives other order, other documents beside it, and a larger share only moves fit documents to held."""
    documents = many(300)
    part = finish({"train": frame("x"), "test": documents}, 0.3)["test"].set_index("text")["part"]
    mixed = documents.sample(frac=0.5, random_state=1)
    again = finish({"train": frame("y"), "test": pd.concat([mixed, frame("new one")])}, 0.3)["test"].set_index("text")["part"]
    assert len(again) == 151 and again.drop("new one").equals(part.loc[mixed["text"]])
    more = finish({"train": frame("x"), "test": documents}, 0.6)["test"].set_index("text")["part"]
    assert (more[part == "held"] == "held").all() and (more == "held").sum() > (part == "held").sum() + 30


@pytest.mark.parametrize(
    ("train", "test", "held", "complaint"),
    [
        (frame("", " "), many(9), 0.5, "the corpus has no train documents"),
        (many(9), many(9), 0.5, "the corpus has no fit test documents"),  # all of them stand in train
        (frame("x"), many(9), 1.0, "the corpus has no fit test documents"),
        (frame("x"), many(9), 0.0, "the corpus has no held test documents"),
    ],
)
def test_nothing_left(train, test, held, complaint):
    with pytest.raises(UserError) as caught:
        finish({"train": train, "test": test}, held)
    assert str(caught.value) == complaint


def test_generate():
    parts = corpus.generate({"train": 50, "test": 20}, 1)
    assert {name: len(part) for name, part in parts.items()} == {"train": 50, "test": 20}
    assert all(part["text"].str.len().gt(20).all() and len(part.columns) > 1 for part in parts.values())
    again = corpus.generate({"train": 50, "test": 20}, 1)
    assert all(again[name].equals(parts[name]) for name in parts)
    assert not set(parts["test"]["text"]) & set(parts["train"]["text"])  # other seeds
    assert not set(corpus.generate({"train": 50, "test": 20}, 2)["train"]["text"]) & set(parts["train"]["text"])


def test_one_file_is_shared_out():
    """A text is in one part alone, in whatever order and company; a quarter goes to train."""
    every = many(4000)
    parts = corpus.share_out({"train": every, "test": every[::-1]})
    assert set(parts["train"]["text"]) | set(parts["test"]["text"]) == set(every["text"]) and len(parts["train"]) + len(parts["test"]) == 4000
    assert len(parts["train"]) / 4000 == pytest.approx(0.25, abs=0.02)  # 3 standard errors
    again = corpus.share_out({"train": many(10), "test": many(10)})
    assert again["test"]["text"].tolist() == [text for text in many(10)["text"] if text in set(parts["test"]["text"])]
    assert len(finish(parts, 0.3)["test"]) == len(parts["test"])


def test_whether_a_lexicon_has_a_word_in_a_corpus(tmp_path):
    """By itself, in a compound, in another form of the same letter; never as a part of a word, or of what is no word."""
    (tmp_path / "words.csv").write_text("word,utility\ncaf\u00e9,1\nmade,2\n\u597d\u770b,3\n", encoding="utf-8")
    found = {"one well-made film": True, "CAFE\u0301!": True, "\u597d\u770b\u3002": True, "remade": False, "m-ade": False, "": False}
    for text, there in found.items():
        assert corpus.valued(["nothing", text], str(tmp_path / "words.csv")) == there, text
    assert corpus.valued(many(10)["text"], "vader") and not corpus.valued(["\u597d\u770b zyzzyva"], "vader")
