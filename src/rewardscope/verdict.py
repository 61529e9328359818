"""The report's first screen in words: three sentences for each model and reward, by rules from Tables 3 and 4 alone."""
from math import isfinite

from rewardscope.report_charts import number, signed

LEARNED, UNCLEAR, AGAINST, UNKNOWN = "learned", "not shown", "the other way", "no interval"


def judged(low: float, high: float) -> str:
    """What an interval says of a difference that the reward should raise: it counts only where it leaves 0 out."""
    if not (isfinite(low) and isfinite(high)):
        return UNKNOWN
    return LEARNED if low > 0 else AGAINST if high < 0 else UNCLEAR


def spanned(difference: float, low: float, high: float, what: str = "") -> str:
    """`+1.29 (95 % interval 1.15 to 1.44)`."""
    if not (isfinite(low) and isfinite(high)):
        return f"{signed(difference)} (no interval: one replicate)"
    return f"{signed(difference)} (95 % interval {number(low)} to {number(high)}{what})"


def learned(completions: dict) -> str:
    """Was the reward learned? By the signed reward of the completions (Table 4)."""
    base, rlhf = number(completions["reward_base"]), number(completions["reward_rlhf"])
    low, high = completions["reward_ci_low"], completions["reward_ci_high"]
    said = spanned(completions["reward_difference"], low, high, f", {completions['samples']:.0f} prompts")
    went = f"went from {base} to {rlhf}, {said}"
    return {
        LEARNED: f"The model learned this reward: the mean reward of a completion rose from {base} to {rlhf}, {said}.",
        UNCLEAR: f"The completions do not show that the model learned this reward: its mean {went}, and that interval holds 0.",
        AGAINST: f"The model went the other way: the mean reward of a completion fell from {base} to {rlhf}, {said}.",
        UNKNOWN: f"Whether the model learned this reward, this cannot tell: its mean {went}.",
    }[judged(low, high)]


def shown(features: dict) -> str:
    """Do the features show it? By the utility of what they fire on and of what they promote (Table 3)."""
    parts = []
    for prefix, more in (("", f", {replicates(features)}"), ("promotes_", "")):
        difference, low, high = (features[f"{prefix}{name}"] for name in ("difference", "ci_low", "ci_high"))
        says = {
            LEARNED: "shows it", UNCLEAR: "does not show it", AGAINST: "carries less utility than before", UNKNOWN: "cannot tell",
        }[judged(low, high)]  # fmt: skip
        parts.append((says, spanned(difference, low, high, more)))
    (fires, fires_by), (promotes, promotes_by) = parts
    if fires == promotes:
        return f"What its features fire on {fires}, and so it is with what they promote: utility of the words {fires_by} and {promotes_by}."
    return f"What its features fire on {fires}: utility of the words {fires_by}; what they promote {promotes}: {promotes_by}."


def replicates(features: dict) -> str:
    """`6 SAE seeds`, `1 RLHF run`: what Table 3's interval is over."""
    count = int(features["runs"] if features["unit"] == "RLHF run" else features["sae_seeds"])
    return f"{count} {features['unit']}{'s' * (count != 1)}"


def sure(features: dict | None, completions: dict | None) -> str:
    """How sure is that? What a replicate is, and what the intervals therefore do not speak of."""
    runs = int((completions if completions is not None else features)["runs"])
    over = []
    if completions is not None:
        over.append(f"the interval on completions is over {completions['samples']:.0f} prompts")
    if features is not None:
        over.append(f"{'that' if over else 'the interval'} on features is over {replicates(features)}")
    if runs == 1:
        of_it = " of that run" * (features is not None)
        return f"This speaks of one RLHF run: {' and '.join(over)}{of_it}; how much another run would differ is not known."
    return f"This speaks of these {runs} RLHF runs: {' and '.join(over)}."


def sentences(features: dict | None, completions: dict | None) -> list[str]:
    """Three sentences (fewer where a table is not among the targets) from a row of Table 3 and one of Table 4."""
    said = [learned(completions)] if completions is not None else []
    said += [shown(features)] if features is not None else []
    return [*said, sure(features, completions)] if said else []
