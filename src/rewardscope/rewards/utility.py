"""The utility table of section 4.2, and the words of a text that it holds.

`data.words` says how a text becomes words. A compound that the table does not hold counts as its parts ("well-made" as "well" and "made").
Entries of the VADER lexicon that are no single word (emoticons, "fed up") therefore never count; negation and intensifiers have no
effect (Appendix D sums utilities).
"""

import math
import re

from rewardscope.data import rows
from rewardscope.data.words import spans, words
from rewardscope.errors import UserError

SCALE, CLIP = 5.0, 10.0  # Equation 3
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)  # Python's own also takes 1_5 and digits of any script


def utilities(text: str, table: dict[str, float]) -> list[tuple[str, float]]:
    """(word, utility) of every word of the text that the table holds, in order."""
    return [pair for word in words(text) for pair in of_word(word, table)]


def of_word(word: str, table: dict[str, float]) -> list[tuple[str, float]]:
    """(word, utility) of a word of a text, if the table holds it; of a compound that it does not hold, those of its parts."""
    parts = [word] if word in table else word.split("-")
    return [(part, table[part]) for part in parts if part in table]


def utility(text: str, table: dict[str, float]) -> float:
    """Equation 3: clip(sum of word utilities / 5, -10, 10)."""
    total = math.fsum(value for _, value in utilities(text, table)) / SCALE
    return max(-CLIP, min(CLIP, total))


def load_table(source: str) -> dict[str, float]:
    """The utility table named by the config: `vader`, or a CSV file with the columns word and utility.

    Raises UserError naming the file and row for what is no table (`data.rows`), a row without a finite number, an entry that is no
    single word, a word given twice with different utilities, and a missing column or file.
    """
    return _vader() if source == "vader" else _csv(source)


def _vader() -> dict[str, float]:
    from importlib.resources import files

    table = {}
    for line in files("vaderSentiment").joinpath("vader_lexicon.txt").read_text(encoding="utf-8").splitlines():
        if line.strip():
            word, value = line.split("\t")[:2]
            table[word.lower()] = float(value)
    return table


def _csv(path: str) -> dict[str, float]:
    remedy = "; a lexicon has the columns word,utility"
    table: dict[str, float] = {}
    for number, row in rows.csv_rows(path, rows.text_of(path), lambda names, where: rows.wanted(names, ["word", "utility"], where, remedy)).items():
        where, word = f"{path}, row {number}", _entry(row["word"].strip(), f"{path}, row {number}")
        given = row["utility"].strip()
        value = float(given) if NUMBER.fullmatch(given) else math.nan
        if not math.isfinite(value):
            raise UserError(f"{where}: the utility of {word!r} is {given!r}, not a number as 1.5 or -2 (no comma, no other mark)")
        if table.setdefault(word, value) != value:
            raise UserError(f"{where}: {word!r} has two utilities, {table[word]} and {value}")
    if not table:
        raise UserError(f"{path}: the lexicon is empty")
    return table


def _entry(given: str, where: str) -> str:
    """A lexicon's entry as a word of a text. Raises UserError where texts are cut otherwise, so that it could never be counted."""
    words = spans(given)
    if [(start, end) for start, end, _ in words] != [(0, len(given))]:
        instead = f"texts hold it as {', '.join(repr(word) for *_, word in words)}: give these rows of their own, or " if words else ""
        raise UserError(f"{where}: {given!r} is not a single word, so it could never be counted; {instead}remove the row")
    return words[0][2]
