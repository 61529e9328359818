"""What the report says of rewards and completions: what a reward likes, words of its lexicon, prompts with both sides' answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan

import pandas as pd

from rewardscope.data.words import spans, words
from rewardscope.rewards.utility import SCALE, of_word

SHOWN = 20  # prompts whose completions are shown, the first ones: none is chosen
OPEN = 6  # of them at once, the rest on demand
WORDS = 8  # written more, and less
SIDES = {"base": "base", "rlhf": "tuned"}


def rewarded(reward: dict) -> bool:
    """Whether a `rewards:` entry is one, and not the place of a pair without a reward: that has no source."""
    return any(reward.values())


def described(reward: dict, sides: list, placed: Mapping[str, float] | None = None) -> str:
    """What a `rewards:` entry likes, with words of the lexicon that the completions (base's, RLHF's frames) hold; `placed`: those of a placebo."""
    if not rewarded(reward):
        return "not known: no reward was given, so nothing here is measured by one."
    if file := reward.get("preferences"):
        measured = described({**reward, "preferences": None}, sides)
        return f"the chosen responses of the pairs in {file}. The reward, which it was not tuned on, is a yardstick here: {measured}"
    if true := reward.get("twin_of"):
        held = Counter(word for frames in sides for frame in frames for text in frame["completion"] for word in words(text))
        values = sorted((placed or {}).items(), key=lambda pair: (-held[pair[0]], -abs(pair[1]), pair[0]))
        kinds = {
            "words": f"other words, of like frequency, with the values of {true}" + examples(values),
            "noise": f"nothing: the reward is a number by a hash of the text, spread like {true}",
            "zero": "nothing: every text earns 0",
        }
        return f"{kinds[reward['kind']]}. It is a placebo; what it changes in the figures here, {true} need not have taught."
    if reward["function"]:
        return f"texts to which the Python function {reward['function']} gives a large number."
    if classifier := reward["classifier"]:
        where = classifier["hub"] or classifier["path"] or "one trained here on labelled documents"
        return f"texts that a classifier ({where}) takes for {classifier['positive'] or 'positive'}. The reward is its logit for that label."
    source = "the VADER lexicon, where people rated words from −4 to 4" if reward["words"] == "vader" else f"the lexicon {reward['words']}"
    common = [pair for pair, _ in uses([frame for frames in sides for frame in frames]).most_common()]
    utility = f"words of high utility: their value in {source}{examples(common)}"
    return f"{utility}. The reward of a text is the sum over its words, divided by {SCALE:g} (Equation 3)."


def examples(common: list[tuple[str, float]]) -> str:
    """The first words of either sign with their values, in brackets; empty without one."""
    some = [(w, u) for w, u in common if u > 0][:3] + [(w, u) for w, u in common if u < 0][:3]
    told = ", ".join(f"“{word}” {value:+g}".replace("-", "\N{MINUS SIGN}") for word, value in some)
    return f" ({told})" * bool(some)


def pieces(text: str, table: dict[str, float]) -> list[tuple[str, float | None]]:
    """A text cut at the words that the lexicon holds, with their utility: ("A ", None), ("great", 3.1), ..."""
    out, rest = [], 0
    for start, end, word in spans(text):
        if known := of_word(word, table):
            out += [(text[rest:start], None), (text[start:end], sum(value for _, value in known))]
            rest = end
    return [(part, value) for part, value in [*out, (text[rest:], None)] if part]


def cut(parts: list[tuple[str, float | None]], length: int) -> tuple[list[tuple[str, float | None]], list[tuple[str, float | None]]]:
    """`pieces` of a text, parted after `length` characters; a word across the cut has its utility in both parts."""
    before, after = [], []
    for text, value in parts:
        before.append((text[: max(0, length)], value))
        after.append((text[max(0, length) :], value))
        length -= len(text)
    return tuple([(text, value) for text, value in side if text] for side in (before, after))


def completions(base: pd.DataFrame, rlhf: pd.DataFrame, table: dict[str, float] | None, prompted: bool = False) -> dict:
    """The first prompts with both sides' completions of one run, words of the lexicon with their utility.

    `prompted`: the reward read the prompt too. Then its words are valued with the completion's, as one text, and what the completion earns
    alone stands beside (`alone`).
    """

    def of_side(side: str, frame: pd.DataFrame) -> list[dict]:
        shown = []
        for row in frame.head(SHOWN).to_dict("records"):
            before = row["prefix"] if prompted else ""
            prompt, written = cut(pieces(before + row["completion"], table or {}), len(before))
            earned = {name: None if isnan(row[of]) else row[of] for name, of in (("reward", "reward"), ("alone", "reward_alone"))}  # none was given
            shown.append({"name": SIDES[side], "prompt": prompt, "pieces": written, **earned})
        return shown

    sides = of_side("base", base), of_side("rlhf", rlhf)
    rows = [{"prefix": "" if prompted else prefix, "sides": both} for prefix, *both in zip(base["prefix"].head(SHOWN), *sides, strict=True)]
    return {"rows": rows[:OPEN], "more": rows[OPEN:], "of": len(base), "prompted": prompted}


def uses(frames: Sequence[pd.DataFrame]) -> Counter[tuple[str, float]]:
    """How often completions hold each word of the lexicon: (word, utility) -> count."""
    rows = (row for frame in frames for row in zip(frame["words"], frame["utilities"], strict=True))
    return Counter(pair for words, values in rows for pair in zip(words, values, strict=True))


def words_written(base: list[pd.DataFrame], rlhf: list[pd.DataFrame]) -> dict[str, list[tuple[str, float, int, int]]]:
    """Words of the lexicon (word, utility, uses by base, by RLHF) that the completions hold more, and less, after tuning."""
    before, after = uses(base), uses(rlhf)
    change = sorted({*before, *after}, key=lambda pair: (before[pair] - after[pair], pair))
    rows = [(*pair, before[pair], after[pair]) for pair in change]
    return {"more": [r for r in rows if r[3] > r[2]][:WORDS], "less": [r for r in reversed(rows) if r[3] < r[2]][:WORDS]}
