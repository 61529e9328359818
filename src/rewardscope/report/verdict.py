"""The report's first screen in words: questions for each model and reward, answered by rules from its tables alone.

"Yes" needs more than a difference: what the true reward shows must exceed its controls (its twins: models tuned on a placebo; random
rows in place of features), each with an interval over tuning runs that leaves 0 out. Where one of these is not there, it is not decided.
"""

from collections.abc import Collection
from math import isfinite
from typing import NamedTuple

from rewardscope.report.charts import end, number, signed

SAME = "Before and after it goes on from every prompt with the same text"
LEARNED, HELD = "Did it learn this reward?", "Do its features hold more of the reward's words?"
UP, UNCLEAR, DOWN, UNKNOWN = "up", "not shown", "down", "no interval"
NOTHING = "Nothing to compare."
FEW = "that takes two runs of either, not all equal"


class Sentence(NamedTuple):
    """A question, the answer in a word or two, what it rests on, and more figures, which the page folds."""

    question: str
    answer: str
    because: str
    more: str = ""


def judged(low: float, high: float) -> str:
    """What an interval says of a difference, tuned - base: it is shown only where the interval leaves 0 out."""
    if not (isfinite(low) and isfinite(high)):
        return UNKNOWN
    return UP if low > 0 else DOWN if high < 0 else UNCLEAR


def spanned(difference: float, low: float, high: float, what: str = "", alone: str = "one replicate, or equal ones") -> str:
    """`+1.29 (95 % interval 1.15 to 1.44)`, with a space that no line breaks at; without an interval, what there is too few of (`alone`)."""
    if not isfinite(difference):
        return "nothing to measure"
    if not (isfinite(low) and isfinite(high)):
        return f"{signed(difference)} (no interval: {alone})"
    return f"{signed(difference)} (95\N{NO-BREAK SPACE}% interval {end(low)} to {end(high)}{what})"


def counted(count: float, what: str) -> str:
    """`1 tuning run`, `6 SAE seeds`."""
    return f"{count:.0f} {what}{'' if count == 1 else 's'}"


def excess(row: dict, prefix: str) -> tuple[str, str]:
    """What the interval of true - twin says, and that in words."""
    if not row["twin_runs"]:
        return UNKNOWN, "No twin stands beside it."
    difference, low, high = (row[f"{prefix}over_twin{end}"] for end in ("", "_ci_low", "_ci_high"))
    over = spanned(difference, low, high, alone=FEW)
    return judged(low, high), f"Tuned on a placebo ({counted(row['twin_runs'], 'run')}): {signed(row[f'{prefix}twin'])}; net of that {over}."


def ranked(features: dict) -> str:
    """In how many dictionaries no feature can be compared, if in any; `features`: a row of Table 3, or of step 4."""
    count, made = features["featureless"], features["runs"] * features["sae_seeds"]
    none = "no feature is ranked on both sides: those of one side fire on fewer than features.min_fires held tokens"
    return f"In {count:.0f} of {counted(made, 'pair')} of dictionaries {none}." if count else ""


def unchanged(question: str) -> Sentence:
    """Of a tuned model none of whose layers differs from the base's."""
    why = "No weight of any layer differs between base and tuned: what features differ in is the autoencoders' noise."
    return Sentence(question, NOTHING, why)


def prompted(completions: dict) -> bool:
    """Whether the reward is that of a prompt with its completion, and not of the completion alone."""
    return any(completions[f"reward_{side}"] != completions[f"reward_alone_{side}"] for side in ("base", "rlhf"))


def learned(completions: dict) -> Sentence:
    """Was the reward learned? By the signed reward of the completions (Table 4), above the twin's."""
    base, rlhf, runs = number(completions["reward_base"]), number(completions["reward_rlhf"]), int(completions["runs"])
    shown = judged(completions["reward_ci_low"], completions["reward_ci_high"])
    over = f", {counted(completions['samples'], 'prompt')}" if runs == 1 else f", {counted(runs, 'tuning run')}"
    change = spanned(completions["reward_difference"], completions["reward_ci_low"], completions["reward_ci_high"], over)
    if completions["same"] == 1:
        return Sentence(LEARNED, NOTHING, f"{SAME}, which earns {base}.")
    if not isfinite(completions["reward_difference"]):
        return Sentence(LEARNED, NOTHING, f"Every text earns {base}, before and after.")
    above, beside = excess(completions, "reward_")
    here = "this run" if runs == 1 else f"these {runs} runs"
    went = {UP: "rose", DOWN: "fell"}.get(shown, "went")
    compared = {
        UP: f"Yes, in {here}.", UNCLEAR: "More, but not shown above its twin.", DOWN: "More, but less than its twin.",
        UNKNOWN: f"More in {here}; whether by this reward is not decided.",
    }  # fmt: skip
    otherwise = {UNCLEAR: "Not shown.", DOWN: f"No: in {here} the opposite.", UNKNOWN: "This cannot tell."}
    answer = compared[above] if shown == UP else otherwise[shown]
    zero = " That interval holds 0." * (shown == UNCLEAR)
    of, alone = "completion", ""
    if prompted(completions):
        of = "prompt with its completion"
        alone = f" Of the completion alone: {number(completions['reward_alone_base'])} to {number(completions['reward_alone_rlhf'])}."
    because = f"The mean reward of a {of} {went} from {base} to {rlhf}: {change}.{zero}{alone} {beside}"
    return Sentence(LEARNED, answer, because, moved_by(completions))


def moved_by(completions: dict) -> str:
    """How far tuning moved the wording, beside the twins': Table 4's KL. Nothing of a checkpoint that was given."""
    if not isfinite(completions["kl"]):
        return ""
    twins = f", of its twins {number(completions['twin_kl'])}" * isfinite(completions["twin_kl"])
    return f"KL from the base model as the last update began: {number(completions['kl'])} nats a response{twins}."


def worded(features: dict, moved: bool = True) -> Sentence:
    """Do the features hold the reward's words? By the signed utility of what they promote, net of random rows and above the twin (Table 3)."""
    if not moved:
        return unchanged(HELD)
    if not isfinite(features["difference"]):
        return Sentence(HELD, NOTHING, ranked(features))
    name = "promotes_signed_"
    net, (above, beside) = judged(features[f"{name}net_ci_low"], features[f"{name}net_ci_high"]), excess(features, name)
    both = {net, above}
    answer = "Not decided." if UNKNOWN in both else "No, less." if DOWN in both else "Not shown." if UNCLEAR in both else "Yes."
    because, more = [promoted(features), ranked(features)], [fired(features)]
    if isfinite(features[f"{name}difference"]):
        because, more = [because[0], beside, because[1]], [words_promoted(features), *more]
    return Sentence(HELD, answer, " ".join(filter(None, because)), " ".join(more))


def promoted(features: dict) -> str:
    """The signed utility of what features promote, beside random directions."""
    name = "promotes_signed_"
    if not isfinite(features[f"{name}difference"]):
        return "No word of the reward is among the words that features can promote."
    within = spanned(features[f"{name}difference"], features[f"{name}ci_low"], features[f"{name}ci_high"])
    beside = "no random directions stand beside it"
    if isfinite(features[f"{name}net"]):
        random = signed(features[f"{name}random_rlhf"] - features[f"{name}random_base"])
        net = spanned(*(features[f"{name}net{end}"] for end in ("", "_ci_low", "_ci_high")))
        beside = f"with as many random directions in their place by {random}; net of that {net}"
    return f"The summed value (signed utility) of the words that they promote changed by {within}, {beside}."


def words_promoted(features: dict) -> str:
    """What else Table 3 says of these words: the reward's values on other words, and how many of its frequent words there are."""
    p = features["promotes_signed_placebo_p"]
    space = "\N{NO-BREAK SPACE}"
    others = f"The reward's values put on other words differ as much with p{space}={space}{p:.2g}; so may a twin's. " if isfinite(p) else ""
    return f"{others}{crossed(features)}{recalled(features)}"


def crossed(features: dict) -> str:
    """Either side's features through either side's unembedding: what of the change is the features', what the unembedding's. Ends with a space."""
    name = "promotes_signed_"
    through = [number(features[f"{name}{column}"]) for column in ("base", "base_through_rlhf", "rlhf_through_base", "rlhf")]
    if not isfinite(features[f"{name}base_through_rlhf"]):
        return ""
    base = f"Read through base's unembedding the features of base have {through[0]} and those of tuned {through[2]}"
    return f"{base}, through tuned's {through[1]} and {through[3]}. "


def recalled(features: dict) -> str:
    """How many of the reward's frequent words the features promote, beside random directions and words drawn by chance."""

    def share(name: str) -> str:
        return f"{100 * features[f'promotes_recall_{name}']:.0f}\N{NO-BREAK SPACE}%"

    signs = [sign for sign in ("positive", "negative") if isfinite(features[f"promotes_recall_{sign}_rlhf"])]
    if not signs:
        return "No word of the reward is frequent here, so they can promote none that is."
    told = ", ".join(f"{sign} ones {share(f'{sign}_base')} before and {share(f'{sign}_rlhf')} after" for sign in signs)
    random = [f"{share(f'{sign}_random_rlhf')} of the {sign} ones" for sign in signs if isfinite(features[f"promotes_recall_{sign}_random_rlhf"])]
    beside = f" random directions after promote {' and '.join(random)}," if random else ""
    return f"Of the reward's frequent words they promote: {told};{beside} as many words drawn by chance would hold {share('expected_rlhf')}."


def fired(features: dict) -> str:
    """The paper's own measure: the words that features fire on. "More" is said only where a twin's do not rise as much."""
    if features["words_base"] == features["words_rlhf"] == 0:
        return "None of the words that they fire on (the paper's Table 3) is the reward's, before or after."
    says = {DOWN: "less", UNCLEAR: "no change shown", UNKNOWN: "this cannot tell"}
    (above, beside), within = excess(features, ""), judged(features["ci_low"], features["ci_high"])
    says[UP] = {UP: "more", UNKNOWN: "more, whether by this reward is not decided"}.get(above, "more, but not shown above its twin")
    change = spanned(features["difference"], features["ci_low"], features["ci_high"])
    return f"The words that they fire on (the paper's Table 3): {says[within]}, {change}." + f" {beside}" * bool(features["twin_runs"])


def placebo(features: dict | None, completions: dict | None) -> list[Sentence]:
    """What a twin shows, by the reward that it was not tuned on: a control, which should show nothing. Its weights may be the base's."""
    answers, out = {UP: "Yes, untaught.", DOWN: "No, less.", UNCLEAR: "Not shown.", UNKNOWN: "This cannot tell."}, []
    if completions is not None:
        by_own, true = (spanned(*(completions[f"{of}reward_{end}"] for end in ("difference", "ci_low", "ci_high"))) for of in ("own_", ""))
        says = judged(completions["reward_ci_low"], completions["reward_ci_high"])
        because = f"The true reward, tuned less base: {true}; the placebo that it was tuned on: {by_own}."
        if completions["same"] == 1:
            because = f"{SAME}: tuning on the placebo changed nothing."
        says = NOTHING if completions["same"] == 1 else answers[says]
        out.append(Sentence("Does it earn more of the true reward?", says, because, moved_by(completions)))
    if features is not None:
        says = judged(features["promotes_signed_net_ci_low"], features["promotes_signed_net_ci_high"])
        because, more = f"{promoted(features)} {ranked(features)}".rstrip(), words_promoted(features)
        if not isfinite(features["difference"]):
            says, because, more = NOTHING, ranked(features), ""
        out.append(Sentence("Do its features hold more of the true reward's words?", answers.get(says, NOTHING), because, more))
    return out


def replicates(features: dict) -> str:
    """`6 SAE seeds`, `3 tuning runs`: what the interval of a table on features is over."""
    runs = int(features["runs"])
    return counted(runs, "tuning run") if runs > 1 else counted(int(features["sae_seeds"]), "SAE seed")


def changed(
    row: dict | None, moved: bool = True, none: str = "This reward has no word list, so their words cannot be weighed (Table 3)."
) -> Sentence:
    """Of a reward without a word table: did the features change? By step 4's count of features found only in tuned. That is change, not reward."""
    question = "Did its features change?"
    if not moved:
        return unchanged(question)
    if row is None:
        return Sentence(question, "This cannot tell.", none)
    if not isfinite(row["count"]):
        return Sentence(question, NOTHING, f"{ranked(row)} {none}".rstrip())
    says = judged(row["ci_low"], row["ci_high"])
    answer = {UP: "Yes.", DOWN: "Less than by chance.", UNCLEAR: "Not shown.", UNKNOWN: "This cannot tell."}[says]
    count = f"Of the {row['features']:.0f} best matched features after tuning, {number(row['count'])} have no match before it"
    against = f"where another SAE seed gives {number(row['null'])}: {spanned(row['difference'], row['ci_low'], row['ci_high'])}"
    over = (row[f"over_twin{end}"] for end in ("", "_ci_low", "_ci_high"))
    twin = f" Tuned on a placebo: {signed(row['twin'])}; net of that {spanned(*over, alone=FEW)}." if isfinite(row["twin"]) else ""
    return Sentence(question, answer, f"{count}, {against}.{twin} Any tuning changes features: this is no sign of the reward. {none}".rstrip())


def unrewarded(completions: dict | None, step4: dict | None, moved: bool = True) -> list[Sentence]:
    """Of a pair without a reward: that nothing is said of one, and whether its features changed. Arguments as of `sentences`."""
    same = f" {SAME}." * bool(completions is not None and completions["same"] == 1)
    answers = [Sentence("Did it learn its reward?", "Not asked.", f"No reward was given: what tuning changed is told, not what it was for.{same}")]
    if step4 is not None or not moved:
        answers.append(changed(step4, moved, ""))
    return [*answers, sure(step4, None)] if step4 is not None and answers[-1].answer != NOTHING else answers


def sure(features: dict | None, completions: dict | None) -> Sentence:
    """How sure is that? What a replicate is, and what the intervals therefore do not speak of."""
    runs = int((completions if completions is not None else features)["runs"])
    if runs > 1:
        text = f"The intervals are over {runs} tuning runs from one base model: the fewer, the wider. Of another base model they do not speak."
        return Sentence("How sure is that?", f"{runs} tuning runs.", text)
    counts = {"prompts": completions and int(completions["samples"]), "SAE seeds": features and int(features["sae_seeds"])}
    over = [f"other {what} ({count})" for what, count in counts.items() if count and count > 1]
    covers = f"The intervals say how much {' and '.join(over)} would change this" if over else "There are no intervals: one replicate"
    return Sentence("How sure is that?", "One tuning run.", f"{covers}. How another tuning run would come out, they do not say.")


def sentences(
    features: dict | None, completions: dict | None, step4: dict | None = None, words: bool = True, twin: bool = False, moved: bool = True
) -> list[Sentence]:
    """Three sentences, fewer where a table is not among the targets.

    From a row of Table 3, one of Table 4 and, of a reward without a word table (`words`), step 4's of the features `found` in all layers.
    Of a `twin` they say what it shows by the true reward. `moved`: whether some layer's weights differ from the base's.
    """
    answers = [learned(completions)] if completions is not None else []
    if twin:
        answers = placebo(features, completions)
    elif features is not None:
        answers.append(worded(features, moved))
    elif not words and (answers or step4 is not None):
        answers.append(changed(step4, moved))
    over = features if features is not None else None if words else step4
    compared = any(sentence.answer != NOTHING for sentence in answers)  # else there is nothing to be sure of
    return [*answers, sure(over, completions)] if compared else answers


def compared(placebos: list[bool], table3: list[dict], given: list[bool], checkpoints: int = 0, kinds: Collection[str] = ()) -> str:
    """What this report is about, for a reader who knows neither RLHF nor autoencoders.

    `placebos`: of each tuning run whether it is a twin's; `given`: whether its reward was;
    `checkpoints`: how many of the tuned models were given, so that nothing is known of how they were tuned; `kinds`: of twins of one reward.
    """
    how = (
        "A tuned checkpoint was given; how it was tuned is not known."
        if checkpoints == len(placebos)
        else "RLHF tunes a language model to earn a reward."
    )
    text = (
        f"{how} Here the model before (base) and after (tuned) reads and continues the same texts; a feature, a direction "
        f"that a sparse autoencoder (SAE) found, fires on some words and promotes (makes likelier) others. {counted(len(placebos), 'tuning run')}"
    )
    together = f", of kinds {' and '.join(sorted(kinds))} whose runs are taken together" * (len(kinds) > 1)
    text += f", {sum(placebos)} of them on a placebo (twins of the reward{together})" * any(placebos)
    text += f", {checkpoints} of them a tuned checkpoint given" * (0 < checkpoints < len(placebos))
    if not all(given):
        text += f", {given.count(False)} of them with no reward given" if any(given) else ", no reward given"
    if not table3:
        return f"{text}."
    if table3[0]["explainer"] != table3[0]["explainer"]:
        return f"{text}, {counted(table3[0]['sae_seeds'], 'SAE seed')}; no feature could be explained."
    how = "quotes of words, without a language model" if table3[0]["explainer"] == "tokens" else f"the explainer {table3[0]['explainer']}"
    net = " A twin is tuned alike, on a placebo: what it shows too, the reward did not teach. “Net of” a control: less the control's change."
    return f"{text}, {counted(table3[0]['sae_seeds'], 'SAE seed')}; features are explained by {how}.{net * any(placebos)}"
