"""The utility table of section 4.2, and the words of a text that it holds.

How a text becomes words: lower case, typographic apostrophes made plain, then every run of letters and digits
with inner apostrophes and hyphens is a word ("don't", "cover-up"). A compound that the table does not hold counts
as its parts ("well-made" as "well" and "made"). Entries of the VADER lexicon that are not words in this sense
(emoticons, "fed up") therefore never count; negation and intensifiers have no effect (Appendix D sums utilities).
"""

import csv
import math
import re

from rewardscope.errors import UserError

WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
SCALE, CLIP = 5.0, 10.0  # Equation 3


def words(text: str) -> list[str]:
    """The words of a text, in order, compounds whole: "A well-made film" -> ["a", "well-made", "film"]."""
    return WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def utilities(text: str, table: dict[str, float]) -> list[tuple[str, float]]:
    """(word, utility) of every word of the text that the table holds, in order."""
    pairs = []
    for word in words(text):
        parts = [word] if word in table else word.split("-")
        pairs += [(part, table[part]) for part in parts if part in table]
    return pairs


def utility(text: str, table: dict[str, float]) -> float:
    """Equation 3: clip(sum of word utilities / 5, -10, 10)."""
    total = math.fsum(value for _, value in utilities(text, table)) / SCALE
    return max(-CLIP, min(CLIP, total))


def load_table(source: str) -> dict[str, float]:
    """The utility table named by the config: `vader`, or a CSV file with the columns word and utility.

    Raises UserError naming the file and row for a row without a finite number, a word given twice with different
    utilities, and a missing column or file.
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
    table: dict[str, float] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = {"word", "utility"} - set(rows.fieldnames or [])
            if missing:
                raise UserError(f"{path}: no column {' and '.join(sorted(missing))}; a lexicon has the columns word,utility")
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                word = (row["word"] or "").strip().lower()
                if words(word) != [word]:
                    raise UserError(f"{where}: {word!r} is not a single word, so it could never be counted")
                try:
                    value = float(row["utility"])
                except (TypeError, ValueError):
                    value = math.nan
                if not math.isfinite(value):
                    raise UserError(f"{where}: the utility of {word!r} is {row['utility']!r}, not a number")
                if table.setdefault(word, value) != value:
                    raise UserError(f"{where}: {word!r} has two utilities, {table[word]} and {value}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a lexicon ({error})") from error
    if not table:
        raise UserError(f"{path}: the lexicon is empty")
    return table
