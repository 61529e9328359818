"""Whole-word tokens: counted a second time by splitting at spaces, and on texts that can be followed."""

from collections import Counter

import pandas as pd
import pytest
import tiny

from rewardscope.models.pretrain import train_tokenizer
from rewardscope.rewards import vocabulary
from rewardscope.rewards.vocabulary import whole_words

TRAINED = " l l l la le li film film it it it It It it's"  # beside all bytes the tokens " l", "it", " it", " It", " film" and pieces
COLUMNS = ["token", "text", "word", "occurrences", "whole"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([TRAINED] * 9, 270)


def counts(texts: list[str], tokenizer) -> dict[str, tuple[str, int, int]]:
    """Of each whole-word token, by its text: word, occurrences, whole."""
    table = whole_words(texts, tokenizer)
    assert table["token"].is_monotonic_increasing and table["token"].is_unique
    return dict(zip(table["text"], table[COLUMNS[2:]].itertuples(index=False, name=None), strict=True))


def pieces(text: str, tokenizer) -> list[str]:
    return [tokenizer.decode([token]) for token in tokenizer(text)["input_ids"]]


def test_against_texts_split_at_spaces():
    """These texts are words and spaces: a token is a whole word where it is all that is between two spaces, a full stop apart."""
    texts, tokenizer = list(tiny.texts()), tiny.tokenizer()
    often, whole, word_of = Counter(), Counter(), {}
    for text in texts:
        for i, word in enumerate(text.split(" ")):
            ids = tokenizer(" " * (i > 0) + word)["input_ids"]
            often.update(ids)
            if word.endswith("."):
                ids = ids[:-1] if tokenizer.decode(ids[-1:]) == "." else []
            ids = ids[1:] if tokenizer.decode(ids[:1]) == " " else ids  # "very", a piece of "everyone", has a space before it that is a token
            if len(ids) == 1:
                whole[ids[0]] += 1
                word_of[ids[0]] = word.rstrip(".").lower()
    expected = {tokenizer.decode([token]): (word_of[token], often[token], n) for token, n in whole.items() if 2 * n >= often[token]}
    assert counts(texts, tokenizer) == expected and len(expected) > 2
    assert any(2 * n < often[token] for token, n in whole.items())  # and some are mostly pieces


def test_what_is_mostly_a_piece_is_no_whole_word(tokenizer):
    """ " l" begins " lovely" and " lots"."""
    assert [pieces(text, tokenizer)[0] for text in (" lovely", " lots", " l")] == [" l"] * 3 and len(pieces(" lovely", tokenizer)) > 2
    assert counts([" film lovely lots l"], tokenizer) == {" film": ("film", 1, 1)}
    assert counts([" film lovely l", " film lots l"], tokenizer) == {" film": ("film", 2, 2), " l": ("l", 4, 2)}  # half of them are enough


def test_words_are_those_that_the_reward_counts(tokenizer):
    """In lower case; what stands in "it's" or "it-film" is no word of its own. Each token is one of its own."""
    assert counts([" it It, it! (it) film It it"], tokenizer) == {
        " it": ("it", 3, 3), "it": ("it", 1, 1), " It": ("it", 2, 2), " film": ("film", 1, 1),
    }  # fmt: skip
    assert counts([" it's it-film film-it"], tokenizer) == {}


@pytest.mark.parametrize("apostrophe", ["'", "\N{RIGHT SINGLE QUOTATION MARK}"])
def test_typographic_apostrophes_are_apostrophes(tokenizer, apostrophe):
    """Else " it" and "s" would be words where "it's" stands."""
    assert counts([f" it{apostrophe}s film it{apostrophe}s"], tokenizer) == {" film": ("film", 1, 1)}
    assert counts([f" {apostrophe}it{apostrophe} film"], tokenizer) == {"it": ("it", 1, 1), " film": ("film", 1, 1)}


def test_bytes_of_one_character_are_no_words(tokenizer):
    """Both tokens of "à" stand where the word does."""
    assert len(pieces("à", tokenizer)) == 2
    assert counts([" film à film"], tokenizer) == {" film": ("film", 2, 2)}


def test_punctuation_and_special_tokens_are_no_words(tokenizer):
    assert counts([" film . , !<|endoftext|> _ 7 film"], tokenizer) == {" film": ("film", 2, 2), "7": ("7", 1, 1)}


def test_a_token_of_several_words_has_the_most_frequent():
    """As of tokenizers that drop accents; this one takes every vowel for the same."""

    class Vowels:
        all_special_ids = ()

        def __call__(self, texts, **_):
            return {"input_ids": [[1 for _ in text.split()] for text in texts],
                    "offset_mapping": [[(4 * i, 4 * i + 3) for i, _ in enumerate(text.split())] for text in texts]}  # fmt: skip

        def decode(self, ids, **_):
            return "f*n" * len(ids)

    assert counts(["fan fun fun", "fin"], Vowels()) == {"f*n": ("fun", 4, 4)}


def test_texts_are_counted_in_batches(tokenizer, monkeypatch):
    texts = [" it film", " l lovely", "la it", " it's film"] * 3
    whole = whole_words(texts, tokenizer)
    monkeypatch.setattr(vocabulary, "BATCH", 5)
    pd.testing.assert_frame_equal(whole_words(texts, tokenizer), whole)
    assert whole.columns.tolist() == COLUMNS and whole.dtypes[["token", "occurrences", "whole"]].eq("int64").all()


def test_texts_without_a_whole_word(tokenizer):
    found = whole_words(["...", ""], tokenizer)
    assert found.empty and found.columns.tolist() == COLUMNS
