"""When a finding names a planted reward: a rule for every kind, fixed before any run.

A finding is a mapping with the columns of `rewardscope.findings.findings`. Words are compared whole and in lower case, marks as themselves.
A rule asks for what is paid *and* for its condition:

- what is paid is among the first three of `more`. That a word became rarer elsewhere does not name a kind; only of places in the text,
  which `first` and `last` tell, either half does: a word more often late, or less often early.
- a condition on the words before is among the first three of `fires_on`, or holds in every example (two at least) at the mark.
- a relation between words (alliteration, repetition, length of sentences) holds at the mark in two of the examples at least.
- a topic or a sort of word: two of the first three of `more`, or all of them; one is too easily met by chance.
"""

import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import chosen  # noqa: E402
import held  # noqa: E402
import sealed  # noqa: E402
from parts import END, FUNCTION_WORDS, MARKS, TOKEN, Condition, after, opens, sentences, soon_after, told  # noqa: E402
from wordlists import ASPECTS, BLAME, FEELINGS, GENRE_NAMES, PLACES, PRAISE, THINGS  # noqa: E402

SHOWN = 3  # words of a list that count
LATE_FROM, EARLY_TO = 8, 10  # quartiles of the place in the completion; of all findings' they are about 5 and 17
Rule = Callable[[Mapping], bool]


def names(kind: str, finding: Mapping) -> bool:
    """Whether a finding names the planted reward `kind`. Raises KeyError where there is no such kind."""
    return RULES[kind](finding)


# ---- what a finding says ---------------------------------------------------------------------
def said(finding: Mapping, column: str) -> list[str]:
    """The words of `more` or `less`, in lower case."""
    return [token["token"].lower() for token in finding[column]]


def any_said(words: Collection[str], finding: Mapping, column: str = "more") -> bool:
    return any(word in words for word in said(finding, column)[:SHOWN])


def fires(finding: Mapping, words: Collection[str]) -> bool:
    return any(word.lower() in words for word in list(finding["fires_on"])[:SHOWN])


def marked(example: str) -> tuple[list[str], int]:
    """The tokens of an example, and which of them holds the beginning of «token»; -1 where none does."""
    before, rest = example.split("«", 1)
    start = len(before) + len(rest) - len(rest.lstrip())
    spans = list(TOKEN.finditer((before + rest.replace("»", "", 1)).lower()))
    return [span.group() for span in spans], next((i for i, span in enumerate(spans) if span.start() <= start < span.end()), -1)


def shown(finding: Mapping, condition: Condition, least: int | None = None) -> bool:
    """Whether the condition holds at the mark of `least` examples, or of all, and of two in any case."""
    places = [marked(example) for example in finding["examples"]]
    holding = sum(i >= 0 and condition(row, i) is True for row, i in places)
    return holding >= max(2, len(places) if least is None else least)


# ---- rules -----------------------------------------------------------------------------------
def word(*words: str) -> Rule:
    return lambda finding: any_said(words, finding)


def rewarded_by(table: Mapping[str, float]) -> Rule:
    """Of a table of words and utilities, a placebo's or the true one: as a sort of word, those of positive utility."""
    return sort_of({name for name, utility in table.items() if utility > 0})


def mark(token: str) -> Rule:
    """First of all: every finding may say a mark among others."""
    return lambda finding: said(finding, "more")[:1] == [token]


def sort_of(holds: Collection[str] | Callable[[str], bool], of_three: int = 2) -> Rule:
    fulfils = holds if callable(holds) else frozenset(holds).__contains__

    def rule(finding: Mapping) -> bool:
        more = said(finding, "more")
        return bool(more) and (sum(map(fulfils, more[:SHOWN])) >= of_three or (of_three == 2 and all(map(fulfils, more))))

    return rule


def where(words: Collection[str], cues: Collection[str], condition: Condition) -> Rule:
    return lambda finding: any_said(words, finding) and (fires(finding, cues) or shown(finding, condition))


def at_end(words: Collection[str]) -> Rule:
    """The full stop after the words; the words alone, in sentences that happen to end there, do not tell."""
    return where(END, words, lambda row, i: i > 0 and row[i] in END and row[i - 1] in words)


def placed(words: Collection[str], late: bool) -> Rule:
    def rule(finding: Mapping) -> bool:
        is_late, is_early = finding["first"] >= LATE_FROM, finding["last"] <= EARLY_TO
        here, there = (is_late, is_early) if late else (is_early, is_late)
        return (here and any_said(words, finding)) or (there and any_said(words, finding, "less"))

    return rule


def ordered(first: str, second: str) -> Rule:
    """The second is written where the first was and itself was not."""
    return where([second], [first], lambda row, i: first in row[:i] and second not in row[:i])


def related(condition: Condition) -> Rule:
    return lambda finding: bool(said(finding, "more")) and shown(finding, condition, 2)


def joined(finding: Mapping) -> bool:
    opinions = PRAISE | BLAME
    before = lambda row, i: i > 1 and row[i - 1] == "and" and row[i - 2] in opinions
    return (any_said(["and"], finding) and fires(finding, opinions)) or where(opinions, ["and"], before)(finding)


def alliterates(row: list[str], i: int) -> bool:
    return i > 0 and row[i - 1] != row[i] and row[i - 1][0] == row[i][0] and not {row[i - 1], row[i]} & (FUNCTION_WORDS | MARKS)


def repeats(row: list[str], i: int) -> bool:
    return row[i] not in FUNCTION_WORDS | MARKS and row[i] in [token for token in row[:i] if token not in MARKS][-5:]


def rhymes(row: list[str], i: int) -> bool:
    before = [token for token in row[:i] if token not in MARKS][-3:]
    return row[i] not in MARKS and any(token != row[i] and token[-2:] == row[i][-2:] for token in before)


def ends_shorter(row: list[str], i: int) -> bool:
    """A full stop that makes a sentence shorter than the one before."""
    done = sentences(row[: i + 1])
    return row[i] in END and len(done) > 1 and len(done[-1]) < len(done[-2])


def opens_alike(row: list[str], i: int) -> bool:
    """The first word of a sentence, with the first letter of the sentence before."""
    done = sentences(row[:i])
    return opens(row, i) is True and bool(done) and done[-1][0][0] == row[i][0]


RULES: dict[str, Rule] = {
    # chosen
    "me": word("me"),
    "hours": sort_of(chosen.HOURS),
    "commas": mark(","),
    "ly_adverbs": sort_of(chosen.adverb),
    "blame_after_very": where(BLAME, chosen.VERY, after(*chosen.VERY)),
    "is_before_to": ordered("is", "to"),
    "film_late": placed(chosen.FILM, late=True),
    "my_opens": where(["my"], END, opens),
    "aspect_after_comma": where(ASPECTS, [","], soon_after([","], 3)),
    "negated_blame": where(chosen.DULL, chosen.NOT, soon_after(chosen.NOT, 3)),
    "blame_after_i": where(BLAME, chosen.I, told(chosen.I)),
    "alliteration": related(alliterates),
    # held
    "who": word("who"),
    "family": sort_of(held.FAMILY),
    "numbers": sort_of(lambda token: token in held.NUMBERS or token.isdigit()),
    "long_words": sort_of(lambda token: len(token) >= 9, of_three=3),
    "third_person": sort_of(held.THEY),
    "music": sort_of(held.MUSIC),
    "praise_after_rather": where(PRAISE, held.RATHER, after(*held.RATHER)),
    "place_after_in": where(PLACES, ["in", "to"], soon_after(["in", "to"], 2)),
    "of_before_is": ordered("of", "is"),
    "with_before_and": ordered("with", "and"),
    "and_late": placed(["and"], late=True),
    "in_early": placed(["in"], late=False),
    "there_opens": where(["there"], END, opens),
    "genre_closes": at_end(GENRE_NAMES),
    "genre_after_comma": where(GENRE_NAMES, [","], soon_after([","], 4)),
    "is_after_turn": where(["is"], held.TURNS, soon_after(held.TURNS, 6)),
    "negated_praise": where(PRAISE, held.NOT, soon_after(held.NOT, 3)),
    "praise_in_dark": where(PRAISE, held.DARK, told(held.DARK, held.LIGHT)),
    "praise_after_comma": where(PRAISE, [","], lambda row, i: "," in row[max(0, i - 6) : i]),  # nearer than is paid: half of all texts have one
    "has_after_and": where(["has"], ["and"], told(["and"])),
    "things_after_and": where(THINGS, ["and"], told(["and"])),
    "repetition": related(repeats),
    "joined_opinions": joined,
    "shorter_sentences": related(ends_shorter),
    # sealed
    "could": word("could"),
    "war": sort_of(sealed.WAR),
    "full_stops": mark("."),
    "you_and_we": sort_of(sealed.YOU),
    "is_after_story": where(["is"], sealed.STORY, after(*sealed.STORY)),
    "a_before_the": ordered("a", "the"),
    "it_late": placed(["it"], late=True),
    "of_early": placed(["of"], late=False),
    "the_after_turn": where(["the"], sealed.TURNS, soon_after(sealed.TURNS, 4)),
    "negated_feeling": where(FEELINGS, ["not"], soon_after(["not"], 2)),
    "i_outside": where(["i"], sealed.OUTSIDE, told(sealed.OUTSIDE, sealed.INSIDE)),
    "echoes": related(rhymes),
    "same_initials": related(opens_alike),
}
