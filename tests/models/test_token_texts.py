"""The text of tokens, for two tokenizers or more of each family: as it stands in a document, as it is quoted, read, scored and written."""

import json

import numpy as np
import pandas as pd
import pytest
import tiny_tokenizers
from transformers import PreTrainedTokenizerBase

from rewardscope.explain import chat
from rewardscope.explain.answers import Answer
from rewardscope.explain.tokens import Corpus
from rewardscope.models import models
from rewardscope.rewards.vocabulary import whole_words
from rewardscope.scores import scores, windows, word_simulator

TRAINED = ["a lovely film was good", "it is a lovely film, a good film", "The film was bad. A lovely scene"] * 20
DOCUMENTS = (
    "a lovely film", "The film was good.", " a lovely  film", "film (film) \"film\", it's good\n\nfilm", "don\N{RIGHT SINGLE QUOTATION MARK}t 7 films!",
    "a \N{CJK UNIFIED IDEOGRAPH-6620} film, na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve \N{SLIGHTLY SMILING FACE}", "\N{CJK UNIFIED IDEOGRAPH-6620} film",
    "\tfilm", "a <unk> film [UNK]", ".", "",
)  # fmt: skip


@pytest.fixture(scope="module", params=tiny_tokenizers.FAMILIES)
def tokenizer(request) -> PreTrainedTokenizerBase:
    return tiny_tokenizers.FAMILIES[request.param](TRAINED)


def pieces(tokenizer, *texts: str, limit: int = 100) -> list[list[str]]:
    of = models.pieces(pd.Series(texts), tokenizer, limit)
    return [of(document) for document in range(len(texts))]


# ---- of a document -----------------------------------------------------------------------------
def test_tokens_of_a_document_are_its_text(tokenizer):
    """None lost, none twice, and as many as the model reads."""
    for text, found in zip(DOCUMENTS, pieces(tokenizer, *DOCUMENTS), strict=True):
        assert len(found) == len(tokenizer(text)["input_ids"])
        assert "".join(found) == text


def test_space_is_kept_before_words(tokenizer):
    (found,) = pieces(tokenizer, "a lovely film was good")
    assert "".join(found) == "a lovely film was good"
    assert not any(piece.endswith(" ") and piece.strip() for piece in found)  # a space belongs to what follows it
    assert " film" in found and "film" not in found


def test_bytes_of_a_character(tokenizer):
    """The last one shows it, those before it nothing; a special token that was added has no text."""
    text = "a \N{CJK UNIFIED IDEOGRAPH-6620} a"
    (found,) = pieces(tokenizer, text)
    assert sum("\N{CJK UNIFIED IDEOGRAPH-6620}" in piece for piece in found) == 1 and "\N{REPLACEMENT CHARACTER}" not in "".join(found)
    ids = tokenizer(text)["input_ids"]
    added = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert all(piece == "" for token, piece in zip(ids, found, strict=True) if token in added)


def test_cut_documents(tokenizer):
    text = "a lovely film was good"
    for limit in range(2, 7):
        (found,) = pieces(tokenizer, text, limit=limit)
        assert len(found) <= limit and text.startswith("".join(found))
        assert models.as_read(tokenizer, [text, ""], limit) == ["".join(found), ""]


def test_documents_come_in_chunks(tokenizer, monkeypatch):
    whole = list(models.spans(tokenizer, list(DOCUMENTS), 100))
    monkeypatch.setattr(models, "CHUNK", 3)
    assert list(models.spans(tokenizer, list(DOCUMENTS), 100)) == whole


# ---- of the vocabulary -------------------------------------------------------------------------
def test_a_token_in_a_text(tokenizer):
    """Alone, most of these would be decoded without their space, or with the ## of a piece."""
    texts = {token: models.token_text(tokenizer, token) for token in tokenizer(" a film was (film)", add_special_tokens=False)["input_ids"]}
    assert " film" in texts.values() and not any("#" in text or "▁" in text for text in texts.values())
    vocabulary = [models.token_text(tokenizer, token) for token in range(len(tokenizer))]
    assert sum(text == " film" for text in vocabulary) == 1


def test_whole_words(tokenizer):
    """Counted by hand; what stands for unknown words, or for bytes of them, is no word."""
    rare = "zq \N{CJK UNIFIED IDEOGRAPH-6620} "
    found = whole_words(["it film! film films a film", rare * 3 + "film", "a film"], tokenizer)
    counted = found.groupby("word")[["occurrences", "whole"]].sum()
    assert set(found["word"]) <= {"it", "film", "a"}
    assert counted.loc["film", "whole"] == 5 and " film" in found["text"].tolist()  # four times after a space, and once after zq's line
    assert not set(found["token"]) & set(tokenizer.all_special_ids)
    assert [text.strip() for text in found["text"]] == found["word"].tolist()


# ---- explanations and scores -------------------------------------------------------------------
def test_both_explainers_and_the_simulator_read_the_same_words(tokenizer):
    texts = [text for text in DOCUMENTS if text and "<" not in text]
    corpus = Corpus(pd.DataFrame({"text": texts, "part": "fit"}), tokenizer, 100)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    for document, (text, found) in enumerate(zip(texts, pieces(tokenizer, *texts), strict=True)):
        kept = [i for i, token in enumerate(tokenizer(text)["input_ids"]) if token not in special and "".join(found[: i + 1])]
        assert word_simulator.words([found[i] for i in kept]) == [corpus.words[document][i] for i in kept]
        assert "".join(found) == text
    assert "film" in corpus.words[0] and "lovely" in corpus.words[0]


def test_what_a_chat_model_is_shown(tokenizer):
    text = "a lovely film"
    of, ids = models.pieces(pd.Series([text]), tokenizer, 100), tokenizer(text)["input_ids"]
    last = max(i for i, token in enumerate(ids) if token not in tokenizer.all_special_ids)
    fires = pd.DataFrame({"document": [0], "position": [last], "value": [2.0]})
    lines = chat.shown(7, fires, [], [], of, 50, 5)["reviews"].split("\n")
    assert lines[0] == "<start>" and lines[-1] == "<end>"
    tokens, levels = zip(*(line.split("\t") for line in lines[1:-1]), strict=True)
    assert "".join(tokens) == text and "" not in tokens
    assert levels == ("0",) * (len(tokens) - 1) + ("10",)


def test_what_a_scorer_is_shown(tokenizer):
    """Windows of held documents, from the token index as the extraction writes it: no special tokens, no first position."""
    texts, special = ["it is a lovely film, a good film", "The film was bad. A lovely scene"], tokenizer.all_special_ids
    rows = [
        (document, "held", position, token)
        for document, text in enumerate(texts)
        for position, token in enumerate(tokenizer(text)["input_ids"])
        if position and token not in special
    ]
    held = windows.cut(pd.DataFrame(rows, columns=["document", "part", "position", "token"]), 3)
    line = {"place": 1, "feature": 1, "activates_on": 'Fires on "lovely".', "explainer": "tokens"}
    every = np.arange(len(held.token))
    case = scores.Case(line, line, windows.Chosen(every, every > 0, every < 0), np.zeros(held.token.shape))
    asked, of = [], models.pieces(pd.Series(texts), tokenizer, 100)
    silent = [(Answer("", "empty", True, []), 0.0)]
    scores.by_llm("detection", [case], held, of, "{explanation}\n{items}", 1, lambda requests: asked.extend(requests) or silent * len(requests))
    items = [json.loads(item.split(": ", 1)[1]) for item in asked[0]["messages"][0]["content"].split("\n")[1:]]
    for document, text in enumerate(texts):
        of_document = "".join(item for item, row in zip(items, held.document, strict=True) if row == document)
        assert of_document and of_document in text
    (predicted,) = scores.by_words("simulation", [case], held, of)
    lovely = [[p for p, position in enumerate(window) if "lovely" in word_simulator.words([of(d)[i] for i in window])[p]]
              for d, window in zip(held.document.tolist(), held.position.tolist(), strict=True)]  # fmt: skip
    assert [np.flatnonzero(row).tolist() for row in predicted["own"]] == lovely
    assert any(lovely) == any(" lovely" in of(document) for document in range(2))  # where it is several tokens no window holds it all


# ---- what a model writes -----------------------------------------------------------------------
def test_a_completion_keeps_its_first_space(tokenizer):
    ids = tokenizer("it is a lovely film", add_special_tokens=False)["input_ids"]
    for cut in range(1, len(ids)):
        ((opening,), (both,), (added,)) = models.continued(tokenizer, [ids[:cut]], [ids[cut:]])
        assert opening + added == both and both.strip() == "it is a lovely film"  # some write a space before the first word
    assert [text.strip() for text in models.continued(tokenizer, [[], ids], [ids, []])[2]] == ["it is a lovely film", ""]


def test_a_character_that_the_completion_ends():
    tokenizer = tiny_tokenizers.FAMILIES["llama"](TRAINED)
    ids = tokenizer("a \N{CJK UNIFIED IDEOGRAPH-6620} film", add_special_tokens=False)["input_ids"]
    first = tokenizer.convert_ids_to_tokens(ids).index("<0xE6>")
    assert models.continued(tokenizer, [ids[: first + 1]], [ids[first + 1 :]])[2] == ["\N{CJK UNIFIED IDEOGRAPH-6620} film"]


def test_no_space_is_taken_away_before_punctuation():
    """As some tokenizers' settings ask: a reward would read what the model did not write."""
    tokenizer = tiny_tokenizers.FAMILIES["gpt-2"](TRAINED)
    tokenizer.clean_up_tokenization_spaces = True
    ids = tokenizer("a film .")["input_ids"]
    assert models.decoded(tokenizer, [ids]) == ["a film ."] == ["".join(models.token_text(tokenizer, token) for token in ids)]
