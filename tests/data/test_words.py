"""Words: of English as before Unicode's rules, of other scripts as people cut them (tests/inputs/scripts: a text, and below it its words)."""

import random
import re
from pathlib import Path
from unicodedata import normalize

import pandas as pd
import pytest

from rewardscope.data import corpus, grammar, words
from rewardscope.explain.tokens import words_at
from rewardscope.report.completions import pieces
from rewardscope.rewards.utility import load_table, utilities
from rewardscope.rewards.vocabulary import whole_words
from rewardscope.scores import word_simulator

SCRIPTS = sorted((Path(__file__).parents[1] / "inputs" / "scripts").glob("*.txt"))
ENGLISH = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")  # the whole rule that the published figures were made by


def of_english(text: str) -> list[str]:
    return ENGLISH.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def test_english_is_cut_as_ever():
    drawn, letters = random.Random(1), "abcXYZ019''’-–—_.,:;!?\"()/ \n\téïÜñ½²øß“”‘…&%$#@*™"
    texts = ["".join(drawn.choices(letters, k=drawn.randint(1, 14))) for _ in range(5_000)]
    texts += list(load_table("vader")) + [row["text"] for row in grammar.generate(200, 1)]
    assert [text for text in texts if words.words(text) != of_english(text)] == []


def test_vader_counts_as_ever():
    table = load_table("vader")
    for text in ("I don't like it; it's no cover-up, it’s a well-made, self-loving 10/10 film", "GREAT!Good?bad 182 bad-good 3.5"):
        expected = []
        for word in of_english(text):
            expected += [(part, table[part]) for part in ([word] if word in table else word.split("-")) if part in table]
        assert utilities(text, table) == expected and len(expected) > 3


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.stem)
@pytest.mark.parametrize("form", [None, "NFC", "NFD"])
def test_scripts(file, form):
    """Cut where people cut, in whichever form the text came; the places are those of the text as it came."""
    text, expected = file.read_text(encoding="utf-8").splitlines()
    text = normalize(form, text) if form else text
    assert words.words(text) == [normalize("NFC", word) for word in expected.split(" ")]
    for start, end, word in words.spans(text):
        assert words.words(text[start:end]) == [word] and not text[start:end].isspace()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("👍🏽 ❤️ :) ...", []),
        ("col·legi", ["col·legi"]),
        ("İstanbul", ["i̇stanbul"]),
        ("𠀀😀好看", ["𠀀", "好看"]),  # ICU counts in units of which these take two
        ("か\u3099く", ["が", "く"]),
        ("\u0301a\u200bb", ["a", "b"]),
        ("co\u00adop", ["co\u00adop"]),
    ],
)
def test_marks_and_symbols(text, found):
    assert words.words(text) == found


def test_places_index_the_text_as_it_is():
    assert words.spans("😀cafe\u0301 很好看") == [(1, 6, "café"), (7, 9, "很好"), (9, 10, "看")]


def test_where_words_are_placed():
    """The report, explanations, the simulator and a vocabulary place words by the same rule."""
    text, table = "un cafe\u0301, 很好看", {"café": 1.0, "看": 2.0}
    assert pieces(text, table) == [("un ", None), ("cafe\u0301", 1.0), (", 很好", None), ("看", 2.0)]
    assert words_at([(0, 2), (2, 7), (7, 8), (8, 9), (9, 12), (12, 13)], words.spans("un cafe很好看!")) == ["un", "cafe", "很好", "很好", "看", ""]
    assert word_simulator.words(["un", " caf", "e\u0301", ", 很", "好", "看"]) == ["un", "café", "café", "很好", "很好", "看"]

    class Tokenizer:
        all_special_ids = ()

        def __call__(self, texts, **_):
            return {"input_ids": [[1, 2, 3]] * len(texts), "offset_mapping": [[(0, 5), (5, 8), (8, 9)]] * len(texts)}

        def decode(self, ids, **_):
            return "?cfk"[ids[0]]

    found = whole_words(["cafe\u0301 很好看"], Tokenizer())
    assert found[["token", "word", "whole"]].values.tolist() == [[1, "café", 1], [2, "很好", 1], [3, "看", 1]]


def test_doubt_about_a_corpus():
    """Half of the characters at least are in words, whatever the script; symbols are none, nor is what no rule can cut."""
    for file in SCRIPTS:
        assert corpus.doubt(pd.DataFrame({"text": file.read_text(encoding="utf-8").splitlines()[:1]})) is None
    assert words.share(["ab 👍👍", "a.b "]) == pytest.approx(4 / 7)
    for text, share in (("👍👍👍 ok", "40%"), ("ᬩᬮᬶᬅᬓ᭄ᬱᬭ" * 9 + " ab", "3%")):
        said = corpus.doubt(pd.DataFrame({"text": [text]}))
        assert said.startswith(f"only {share} of the train documents' characters are in words") and "reward function" in said
