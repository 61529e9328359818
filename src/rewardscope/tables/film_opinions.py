"""Which explanations are about opinions on films (section 6.1), by the fixed words of film_opinions.yaml."""

import re
from pathlib import Path

import yaml

from rewardscope.data.words import words

WORDS = yaml.safe_load(Path(__file__).with_name("film_opinions.yaml").read_text(encoding="utf-8"))


def _pattern(listed: str) -> re.Pattern:
    """Matches each listed word whole; a star stands for any ending."""
    return re.compile("|".join(re.escape(word).replace(r"\*", ".*") for word in listed.split()))


FILMS = _pattern(WORDS["films"])
OPINIONS = _pattern(" ".join(WORDS["opinions"].values()))


def about(text: str) -> tuple[bool, bool]:
    """Whether a text names films, and whether it names or gives an opinion; of a compound the parts count too.

    Section 6.1 asks for both: "detecting opinions or reviews in the context of movies".
    """
    parts = {part for word in words(text) for part in (word, *word.split("-"))}
    return any(map(FILMS.fullmatch, parts)), any(map(OPINIONS.fullmatch, parts))
