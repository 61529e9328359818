"""The report's first screen in words: three questions for each model and reward, answered by rules from its tables alone."""

from math import isfinite
from typing import NamedTuple

from rewardscope.report.charts import number, signed

UP, UNCLEAR, DOWN, UNKNOWN = "up", "not shown", "down", "no interval"


class Sentence(NamedTuple):
    """A question, the answer in a word or two, and what it rests on."""

    question: str
    answer: str
    because: str


def judged(low: float, high: float) -> str:
    """What an interval says of a difference, RLHF - base: it is shown only where the interval leaves 0 out."""
    if not (isfinite(low) and isfinite(high)):
        return UNKNOWN
    return UP if low > 0 else DOWN if high < 0 else UNCLEAR


def spanned(difference: float, low: float, high: float, what: str = "") -> str:
    """`+1.29 (95 % interval 1.15 to 1.44)`, with a space that no line breaks at."""
    if not (isfinite(low) and isfinite(high)):
        return f"{signed(difference)} (no interval: one replicate)"
    return f"{signed(difference)} (95\N{NO-BREAK SPACE}% interval {number(low)} to {number(high)}{what})"


def counted(count: float, what: str) -> str:
    """`1 RLHF run`, `6 SAE seeds`."""
    return f"{count:.0f} {what}{'' if count == 1 else 's'}"


def learned(completions: dict) -> Sentence:
    """Was the reward learned? By the signed reward of the completions (Table 4)."""
    base, rlhf, runs = number(completions["reward_base"]), number(completions["reward_rlhf"]), int(completions["runs"])
    low, high = completions["reward_ci_low"], completions["reward_ci_high"]
    change = spanned(completions["reward_difference"], low, high, f", {counted(completions['samples'], 'prompt')}")
    here = "this run" if runs == 1 else f"these {runs} runs"
    answer, went = {
        UP: (f"Yes, in {here}.", "rose"),
        UNCLEAR: ("Not shown.", "went"),
        DOWN: (f"No: in {here} the opposite.", "fell"),
        UNKNOWN: ("This cannot tell.", "went"),
    }[judged(low, high)]
    zero = ". That interval holds 0" * (judged(low, high) == UNCLEAR)
    return Sentence("Did it learn this reward?", answer, f"The mean reward of a completion {went} from {base} to {rlhf}: {change}{zero}.")


def worded(features: dict) -> Sentence:
    """Do the features hold the reward's words? By the utility of what they fire on and of what they promote (Table 3)."""
    parts, judgements = [], []
    for prefix, what, unit in (("promotes_", "The tokens that they promote", "sum of |utility| "), ("", "The words that they fire on", "")):
        difference, low, high = (features[f"{prefix}{name}"] for name in ("difference", "ci_low", "ci_high"))
        judgements.append(judged(low, high))
        says = {UP: "more", DOWN: "less", UNCLEAR: "no change shown", UNKNOWN: "this cannot tell"}[judgements[-1]]
        parts.append(f"{what}: {says}, {unit}{spanned(difference, low, high)}.")
    answers = {(UP, UP): "Yes.", (UP, UNCLEAR): "In part.", (UNCLEAR, UP): "In part.", (UNCLEAR, UNCLEAR): "Not shown.", (DOWN, DOWN): "No, less."}
    answer = answers.get(
        tuple(judgements), "This cannot tell." if UNKNOWN in judgements else "In one way more, in the other less." if UP in judgements else "No."
    )
    return Sentence("Do its features hold more of the reward's words?", answer, " ".join(parts))


def replicates(features: dict) -> str:
    """`6 SAE seeds`, `1 RLHF run`: what the interval of a table on features is over."""
    return counted(int(features["runs"] if features["unit"] == "RLHF run" else features["sae_seeds"]), features["unit"])


def changed(row: dict | None) -> Sentence:
    """Of a reward without a word table: did the features change? By step 4's count of features found only in RLHF."""
    question, none = "Did its features change?", "This reward has no word list, so their words cannot be weighed (Table 3)."
    if row is None:
        return Sentence(question, "This cannot tell.", none)
    says = judged(row["ci_low"], row["ci_high"])
    answer = {UP: "Yes.", DOWN: "Less than by chance.", UNCLEAR: "Not shown.", UNKNOWN: "This cannot tell."}[says]
    count = f"Of the {row['features']:.0f} best matched features after RLHF, {number(row['count'])} have no match before it"
    against = f"where another SAE seed gives {number(row['null'])}: {spanned(row['difference'], row['ci_low'], row['ci_high'])}"
    return Sentence(question, answer, f"{count}, {against}. {none}")


def sure(features: dict | None, completions: dict | None) -> Sentence:
    """How sure is that? What a replicate is, and what the intervals therefore do not speak of."""
    runs = int((completions if completions is not None else features)["runs"])
    over = [f"other prompts ({completions['samples']:.0f})"] if completions is not None else []
    over += [f"other {features['unit']}s ({replicates(features).split()[0]})"] if features is not None else []
    covers = f"The intervals say how much {' and '.join(over)} would change this"
    if runs == 1:
        return Sentence("How sure is that?", "One RLHF run.", f"{covers}. How another RLHF run would come out, they do not say.")
    these = "; the one on completions holds for these runs" * (completions is not None)
    return Sentence("How sure is that?", f"{runs} RLHF runs.", f"{covers}{these}.")


def sentences(features: dict | None, completions: dict | None, step4: dict | None = None, words: bool = True) -> list[Sentence]:
    """Three sentences, fewer where a table is not among the targets.

    From a row of Table 3, one of Table 4 and, of a reward without a word table (`words`), step 4's of the features `found` in all layers.
    """
    answers = [learned(completions)] if completions is not None else []
    if features is not None:
        answers.append(worded(features))
    elif not words and (answers or step4 is not None):
        answers.append(changed(step4))
    over = features if features is not None else None if words else step4
    return [*answers, sure(over, completions)] if answers else []
