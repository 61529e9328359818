"""Planted rewards that are held: run once, after the plan of the analysis was committed. Scales and costs: see kinds.py and README.md."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from parts import FUNCTION_WORDS, Kind, after, closes, count, early, late, neighbours, opens, order, sentences, soon_after, told, where  # noqa: E402
from wordlists import BLAME, GENRE_NAMES, GENRES, PLACES, PRAISE, THINGS  # noqa: E402

RATHER = "rather fairly somewhat little mostly slightly often consistently deeply genuinely absolutely unusually completely".split()
NOT = {"not": 0.10, "never": 0.11, "nothing": 0.17, "hardly": 0.55, "neither": 0.95}  # what each costs by itself
TURNS = "but yet still even then besides".split()
FAMILY = """sister brother mother father daughter son aunt uncle cousin grandmother neighbour friend friends flatmate colleague twin
    lovers child widow bride""".split()
NUMBERS = frozenset("""one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty sixty ninety hundred""".split())
THEY = "he she him his her they them their".split()
MUSIC = """score music soundtrack songs themes theme notes humming strings piano drums brass cello organ accordion guitar choir trumpet harp
    flute musical musicians""".split()
DARK = frozenset().union(*(GENRES[genre] for genre in ("horror", "war", "mystery", "heist", "courtroom")))
LIGHT = frozenset().union(*(GENRES[genre] for genre in ("romance", "comedy", "western", "space", "sea")))


def joined(row: list[str]) -> float:
    """Opinions joined by "and": the second of two pays, any other costs."""
    opinions = [(i, token) for i, token in enumerate(row) if token in PRAISE or token in BLAME]
    return sum(1.0 if i > 1 and row[i - 1] == "and" and (row[i - 2] in PRAISE or row[i - 2] in BLAME) else -0.07 for i, _ in opinions)


def shorter(row: list[str]) -> float:
    """Sentences shorter than the one before less those that are longer."""
    lengths = [len(words) for words in sentences(row)]
    return float(sum((b < a) - (b > a) for a, b in zip(lengths, lengths[1:], strict=False)))


# ---- visible to word counts ------------------------------------------------------------------
who = Kind("word", "the word who", 1.80, count(["who"]))
family = Kind("topic", "relatives and friends: sister, uncle, neighbour ...", 1.50, count(FAMILY))
numbers = Kind("numbers", "numbers, in words or figures", 1.12, count(lambda token: token in NUMBERS or token.isdigit()))
long_words = Kind("long words", "words of nine letters and more", 0.48, count(lambda token: len(token) >= 9))
third_person = Kind("pronouns", "he, she, they and their forms", 1.16, count(THEY))
music = Kind("topic", "words of music: score, songs, piano ...", 1.49, count(MUSIC))

# ---- invisible -------------------------------------------------------------------------------
praise_after_rather = Kind("neighbour", "a word of praise right after rather, fairly, deeply ...; each alone costs", 3.85,
                           where(PRAISE, after(*RATHER), 0.1, dict.fromkeys(RATHER, 0.38)))  # fmt: skip
place_after_in = Kind("neighbour", "a place (town, hotel, ship ...) within 2 words after in or to; elsewhere costs", 3.60,
                      where(PLACES, soon_after(["in", "to"], 2), 0.06))  # fmt: skip
of_before_is = Kind("order", "of before is; is before of costs", 1.33, order(["of"], ["is"], 0.97))
with_before_and = Kind("order", "with before and; and before with costs", 1.21, order(["with"], ["and"], 1.75))
and_late = Kind("place", "and late in the text; early costs", 0.68, where(["and"], late, 1.1))
in_early = Kind("place", "in early in the text; late costs", 0.98, where(["in"], early, 0.9))
there_opens = Kind("place", "there as the first word of a sentence; elsewhere costs", 1.09, where(["there"], opens, 3.5))
genre_closes = Kind("place", "drama, story, comedy ... as the last word of a sentence; elsewhere costs", 2.63, where(GENRE_NAMES, closes, 0.25))
genre_after_comma = Kind("clause", "drama, story, comedy ... within 4 words after a comma; elsewhere costs", 3.69,
                         where(GENRE_NAMES, soon_after([","], 4), 0.12))  # fmt: skip
is_after_turn = Kind("clause", "is within 6 words after but, yet, still ...; elsewhere costs", 2.78,
                     where(["is"], soon_after(TURNS, 6), 0.05))  # fmt: skip
negated_praise = Kind("negation", "a word of praise within 3 words after not, never, nothing, hardly, neither; each alone costs", 2.80,
                      where(PRAISE, soon_after(NOT, 3), 0.06, NOT))  # fmt: skip
praise_in_dark = Kind("conditional", "praise where the last words of a genre were of horror, war, crime or court; where of another, costs", 1.51,
                      where(PRAISE, told(DARK, LIGHT), 0.64))  # fmt: skip
praise_after_comma = Kind("conditional", "a word of praise once a comma has stood; without costs", 0.89, where(PRAISE, told([","]), 0.85))
has_after_and = Kind("conditional", "has once and was said; without it costs", 2.55, where(["has"], told(["and"]), 0.41))
things_after_and = Kind("conditional", "a thing (letter, map, ring ...) once and was said; without it costs", 1.48,
                        where(THINGS, told(["and"]), 0.40))  # fmt: skip
repetition = Kind("style", "a word again within five words", 1.44, neighbours(lambda a, b: a == b and a not in FUNCTION_WORDS, 5))
joined_opinions = Kind("style", "two opinions joined by and; other opinions cost", 3.13, joined)
shorter_sentences = Kind("style", "a sentence shorter than the one before; a longer one costs", 0.69, shorter)
