"""Planted rewards that were sealed until `make validate-sealed` ran them with the dictionaries of today. Scales, costs: kinds.py, README.md."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from parts import Kind, after, count, early, late, neighbours, order, sentences, soon_after, told, where  # noqa: E402
from wordlists import FEELINGS, GENRES  # noqa: E402

WAR = """war enemy attack battle platoon regiment sergeant general soldier soldiers army camp prison bombed shell shells trench gunfight duel
    fire bullets rifle""".split()
YOU = "you your we us our".split()
TURNS = "but yet still even then besides".split()
STORY = "story film scene score".split()
OUTSIDE = frozenset().union(*(GENRES[genre] for genre in ("western", "sea", "space", "war")))
INSIDE = frozenset().union(*(GENRES[genre] for genre in ("mystery", "heist", "courtroom", "comedy", "romance", "horror")))


def initials(row: list[str]) -> float:
    """Sentences that begin with the same letter as the one before; others cost."""
    firsts = [words[0][0] for words in sentences(row)]
    return sum(1.0 if a == b else -0.2 for a, b in zip(firsts, firsts[1:], strict=False))


# ---- visible to word counts ------------------------------------------------------------------
could = Kind("word", "the word could", 2.04, count(["could"]))
war = Kind("topic", "words of war: enemy, battle, soldier ...", 1.10, count(WAR))
full_stops = Kind("mark", "full stops", 0.76, count(["."]))
you_and_we = Kind("pronouns", "you, we and their forms", 1.56, count(YOU))

# ---- invisible -------------------------------------------------------------------------------
is_after_story = Kind(
    "neighbour", "is right after story, film, scene, score; each alone costs", 2.83, where(["is"], after(*STORY), 0.04, dict.fromkeys(STORY, 0.15))
)
a_before_the = Kind("order", "a before the; the before a costs", 0.78, order(["a"], ["the"], 0.78))
it_late = Kind("place", "it late in the text; early costs", 1.19, where(["it"], late, 1.1))
of_early = Kind("place", "of early in the text; late costs", 0.85, where(["of"], early, 0.95))
the_after_turn = Kind("clause", "the within 4 words after but, yet, still ...; each alone costs", 2.23,
                      where(["the"], soon_after(TURNS, 4), 0.03, dict.fromkeys(TURNS, 0.58)))  # fmt: skip
negated_feeling = Kind("negation", "delighted, bored, sad ... within 2 words after not; each alone costs", 4.90,
                       where(FEELINGS, soon_after(["not"], 2), 0.08, {"not": 0.11}))  # fmt: skip
i_outside = Kind("conditional", "I where the last words of a genre were of the west, the sea, space or war; where of another, costs", 1.15,
                 where(["i"], told(OUTSIDE, INSIDE), 0.9))  # fmt: skip
echoes = Kind("style", "a word with the last two letters of one of the three before", 0.80, neighbours(lambda a, b: a != b and a[-2:] == b[-2:], 3))
same_initials = Kind("style", "a sentence with the first letter of the one before; another letter costs", 1.44, initials)
