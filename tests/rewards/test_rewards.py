"""Rewards: how a text becomes words, Equation 3, and every complaint about a lexicon."""

import math

import pytest

from rewardscope.data.words import words
from rewardscope.errors import UserError
from rewardscope.rewards import rewards
from rewardscope.rewards.utility import load_table, utilities, utility

TABLE = {"good": 1.9, "bad": -2.5, "made": 0.5, "cover-up": -1.2, "don't": -0.3, "great": 3.1}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A well-made film", ["a", "well-made", "film"]),
        ("I don't, they won't.", ["i", "don't", "they", "won't"]),
        ("I don\N{RIGHT SINGLE QUOTATION MARK}t", ["i", "don't"]),
        ("GOOD Good gOOd", ["good", "good", "good"]),
        ("'quoted' the actors' lines -- rock-'n'-roll", ["quoted", "the", "actors", "lines", "rock", "n", "roll"]),
        ("it's 10/10, 2nd-rate, 3.5 stars", ["it's", "10", "10", "2nd-rate", "3", "5", "stars"]),
        ("so_called good!bad?(fine)", ["so", "called", "good", "bad", "fine"]),
        ("state-of-the-art- -art", ["state-of-the-art", "art"]),
        ("Élan, naïve ÜBER", ["élan", "naïve", "über"]),
        (" \n\t:-) ... ", []),
        ("", []),
    ],
)
def test_words(text, found):
    assert words(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A GOOD film, don\N{RIGHT SINGLE QUOTATION MARK}t be bad", [("good", 1.9), ("don't", -0.3), ("bad", -2.5)]),
        ("good good", [("good", 1.9), ("good", 1.9)]),
        ("a cover-up", [("cover-up", -1.2)]),  # the compound is in the table: not its parts
        ("well-made, good-bad", [("made", 0.5), ("good", 1.9), ("bad", -2.5)]),  # it is not: its parts
        ("not good at all", [("good", 1.9)]),  # negation has no effect
        ("goods goodness", []),
    ],
)
def test_utilities(text, found):
    assert utilities(text, TABLE) == found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("good", 1.9 / 5),
        ("great good bad", (3.1 + 1.9 - 2.5) / 5),
        ("nothing here", 0.0),
        ("", 0.0),
        (" ".join(["great"] * 16), 9.92),  # 16 x 3.1 / 5
        (" ".join(["great"] * 17), 10.0),  # 10.54, clipped
        (" ".join(["bad"] * 19), -9.5),
        (" ".join(["bad"] * 21), -10.0),  # -10.5, clipped
    ],
)
def test_equation_3(text, value):
    assert utility(text, TABLE) == pytest.approx(value, abs=1e-12)


def test_reward_of_texts():
    assert rewards.utility_reward(TABLE)(["good", "bad bad", ""]) == pytest.approx([0.38, -1.0, 0.0])


def test_vader():
    table = load_table("vader")
    assert (table["good"], table["great"], table["bad"], table["fantastic"]) == (1.9, 3.1, -2.5, 2.6)
    assert len(table) > 7000 and all(word == word.lower() for word in table)
    assert all(math.isfinite(value) and -4 <= value <= 4 for value in table.values())
    assert "film" not in table
    assert rewards.load({"words": "vader"})(["A great film"]) == pytest.approx([0.62])


def test_a_pair_without_a_reward_has_no_function():
    """Its entry has no source, and no folder is asked for one."""
    assert rewards.load(dict.fromkeys(("words", "function", "classifier", "twin_of", "kind")), folder="gone") is None


def lexicon(folder, content: str | bytes):
    file = folder / "lexicon.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize(
    "content",
    [
        "word,utility\ngood,1.5\nbad,-2\n",
        "\ufeffword,utility\r\ngood,1.5\r\nbad,-2\r\n",  # as Excel writes it
        "utility,note,word\n1.5,x, Good \n\n-2,,BAD\n-2,again,bad\n",
        '"word","utility"\n"good","1.5"\n"bad","-2e0"',
    ],
)
def test_csv(tmp_path, content):
    assert load_table(str(lexicon(tmp_path, content))) == {"good": 1.5, "bad": -2.0}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("word,value\ngood,1\n", ": no column utility; it has word, value; a lexicon has the columns word,utility"),
        ("good,1\nbad,-1\n", ": no column word and utility; it has good, 1; a lexicon has the columns word,utility"),
        ("", ": no column word and utility; it has none; a lexicon has the columns word,utility"),
        ("word,utility\n", ": the lexicon is empty"),
        ("word,utility\ngood,1\nbad,much\n", ", row 3: the utility of 'bad' is 'much', not a number as 1.5 or -2 (no comma, no other mark)"),
        (
            "word,utility\ngood,1\nbad\n",
            ", row 3: fewer fields than column names, 1 and 2; a text with a comma, quote or line break needs double quotes",
        ),
        ("word,utility\ngood,\n", ", row 2: the utility of 'good' is '', not a number as 1.5 or -2 (no comma, no other mark)"),
        ("word,utility\ngood,nan\n", ", row 2: the utility of 'good' is 'nan', not a number as 1.5 or -2 (no comma, no other mark)"),
        ("word,utility\ngood,-inf\n", ", row 2: the utility of 'good' is '-inf', not a number as 1.5 or -2 (no comma, no other mark)"),
        ("word,utility\ngood,1\nbad,-1\nGood,2\n", ", row 4: 'good' has two utilities, 1.0 and 2.0"),
        (
            "word,utility\nfed up,-1\n",
            ", row 2: 'fed up' is not a single word, so it could never be counted; texts hold it as 'fed', 'up': give these rows of their own, or remove the row",
        ),
        ("word,utility\n:),2\n", ", row 2: ':)' is not a single word, so it could never be counted; remove the row"),
        ("word,utility\n,2\n", ", row 2: '' is not a single word, so it could never be counted; remove the row"),
        (
            'word,utility\n"two\nlines",2\n',
            ", row 2: 'two\\nlines' is not a single word, so it could never be counted; texts hold it as 'two', 'lines': give these rows of their own, or remove the row",
        ),
    ],
)
def test_csv_complaints(tmp_path, content, complaint):
    file = lexicon(tmp_path, content)
    with pytest.raises(UserError) as caught:
        load_table(str(file))
    assert str(caught.value) == f"{file}{complaint}"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, ": there is no such file; paths are relative to "),
        (b"word,utility\ngood,\xff\xfe\n", ", line 2, byte 6 is not UTF-8; save the file as UTF-8"),
        (b'word,utility\n"' + b"x" * 200_000, ", line 2: not CSV (unexpected end of data); "),  # a quote left open
    ],
)
def test_unreadable_csv(tmp_path, content, complaint):
    file = tmp_path / "none.csv" if content is None else lexicon(tmp_path, content)
    with pytest.raises(UserError) as caught:
        load_table(str(file))
    assert str(caught.value).startswith(f"{file}{complaint}")
    assert "\n" not in str(caught.value)
