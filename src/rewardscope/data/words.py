"""What counts as a word, for rewards, explanations, tables and the report alike.

Unicode's word rules (UAX 29) with three choices of our own, which English needs. Letters and digits, with the marks on them, are a word;
apostrophes, typographic ones too, and hyphens join them ("don't", "cover-up"); full stops, commas, colons and underscores part them
("3.5" is two words). Scripts without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are cut by ICU's
dictionaries. A word is compared in lower case and in Unicode's composed form (NFC), so "e" with an accent of its own is "é".
"""

from collections.abc import Sequence
from unicodedata import normalize

import regex
from icu4py.breakers import WordBreaker

UNSPACED = r"[[\p{LB=SA}\p{LB=CJ}\p{Han}\p{Hiragana}\p{Katakana}]&&[\p{L}\p{N}\p{M}]]"  # of scripts without spaces between words
LETTER = rf"[[\p{{L}}\p{{N}}]--{UNSPACED}]"
ON = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]"  # marks and joiners belong to the letter before them: rule WB4
INNER = r"""(?:['-]|(?<=[\p{L}\p{M}])[·\u0387\u055f\u05f3\u05f4\u2027](?=\p{L})|(?<=\p{Hebrew})"(?=\p{Hebrew}))"""  # WB6 to WB7c
WORD = regex.compile(rf"(?V1)(?P<unspaced>{UNSPACED}(?:{UNSPACED}|{ON})*)|{LETTER}(?:{LETTER}|{ON})*(?:{INNER}{LETTER}(?:{LETTER}|{ON})*)*")
LETTERS = regex.compile(r"[\p{L}\p{N}]")
SAMPLE, LONGEST = 1000, 40  # documents, and characters of a word, by which a corpus is judged


def spans(text: str) -> list[tuple[int, int, str]]:
    """(start, end, word) of every word of a text, in order, compounds whole; the places are those of the text as it is given."""
    placed = []
    for match in WORD.finditer(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")):
        start, end = match.span()
        if match.lastgroup is None:
            placed.append((start, end, _plain(match.group())))
            continue
        for piece in WordBreaker(match.group(), "root"):  # its own places count UTF-16's units
            if LETTERS.search(piece):
                placed.append((start, start + len(piece), _plain(piece)))
            start += len(piece)
    return placed


def _plain(word: str) -> str:
    """A word as it is compared."""
    if word.isascii():
        return word.lower()
    # a quotation mark inside of a Hebrew abbreviation would end the quotation of a word in an explanation
    return normalize("NFC", word.lower()).replace('"', "\N{HEBREW PUNCTUATION GERSHAYIM}")


def words(text: str) -> list[str]:
    """The words of a text, in order, compounds whole: "A well-made film" -> ["a", "well-made", "film"]."""
    return [word for _, _, word in spans(text)]


def share(texts: Sequence[str]) -> float:
    """Of the characters of the first texts but for spaces, how many are in words that are no longer than words are; nan without any."""
    inside = characters = 0
    for text in texts[:SAMPLE]:
        inside += sum(end - start for start, end, _ in spans(text) if end - start <= LONGEST)
        characters += sum(not character.isspace() for character in text)
    return inside / characters if characters else float("nan")
