"""The first screen's sentences: what each set of intervals makes them say, and that none says what its numbers deny."""

import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from report_pages import ALONE, ENDS, STEP4, TABLE3, TABLE4, TWIN3, TWIN4, completions

from rewardscope.report import verdict
from rewardscope.tables import step4, table3, table4

INTERVALS = {"up": (1.0, 2.0), "unclear": (-1.0, 1.0), "down": (-2.0, -1.0), "unknown": (np.nan, np.nan)}
ONE_RUN = {"runs": 1, "unit": "SAE noise of one run", "twin_runs": 1} | {
    f"{of}{end}": np.nan for of in ("promotes_signed", "reward") for end in ENDS[1:]
}


def plain(sentence: verdict.Sentence) -> str:
    return " ".join(filter(None, sentence)).replace("\N{NO-BREAK SPACE}", " ")


def bounds(row: dict, **intervals: str) -> dict:
    """A row with other intervals, each by its columns' prefix, its middle the difference; the interval of true - twin is `PREFIX_over_twin`."""
    for prefix, name in intervals.items():
        low, high = INTERVALS[name]
        column = prefix if prefix.endswith(("net", "over_twin")) else f"{prefix}_difference".lstrip("_")
        row = row | {column: (low + high) / 2 if name != "unknown" else 1.5}
        row |= {f"{prefix}_ci_low".lstrip("_"): low, f"{prefix}_ci_high".lstrip("_"): high}
    return row


def test_the_made_up_rows_have_the_columns_of_the_tables():
    line = {"explainer": "tokens", "feature": 7, "words": ["love"], "raised": [{"token": " love", "logit": 1.0}]}
    place = {"pair": "p", "run": "run1", "pick": "top1", "layer": 0, "seed": 1, "sample": 1, "base": [line], "rlhf": [line]}
    vocabulary = pd.DataFrame({"token": [1], "text": [" love"], "word": ["love"], "occurrences": [30], "whole": [30]})
    measured = table3.measured([place], {"love": 2.0}, 1, vocabulary)
    run = (completions(["bad"], 0.0), completions(["love"], 1.0))
    assert set(TABLE3) <= set(table3.row(measured, [place], 1, {}, [], {}))
    assert set(TABLE4) <= set(table4.row([run], {"love": 2.0}, 10, 1, {}, []))
    assert set(STEP4) <= set(step4.COLUMNS)


def test_three_sentences_with_intervals_and_controls():
    learned, features, sure = map(plain, verdict.sentences(TABLE3, TABLE4))
    rose = "The mean reward of a prompt with its completion rose from −0.06 to 1.23: +1.29 (95 % interval 1.15 to 1.44, 3 tuning runs)."
    twin = "Tuned on a placebo (3 runs): +0.21; net of that +1.08 (95 % interval 0.84 to 1.32)."
    moved = "KL from the base model as the last update began: 8.30 nats a response, of its twins 7.60."
    assert learned == f"Did it learn this reward? Yes, in these 3 runs. {rose} Of the completion alone: −0.02 to 1.27. {twin} {moved}"
    assert verdict.moved_by(TWIN4).endswith(": 7.60 nats a response.") and verdict.moved_by(TABLE4 | {"kl": np.nan, "twin_kl": np.nan}) == ""
    assert features == (
        "Do its features hold more of the reward's words? Yes. "
        "The summed value (signed utility) of the words that they promote changed by +32.3 (95 % interval 21.4 to 43.2), "
        "with as many random directions in their place by +7.50; net of that +24.8 (95 % interval 13.6 to 36.0). "
        "Tuned on a placebo (3 runs): +4.10; net of that +28.2 (95 % interval 15.5 to 40.9). "
        "The reward's values put on other words differ as much with p = 0.013; so may a twin's. "
        "Read through base's unembedding the features of base have 6.20 and those of tuned 27.4, through tuned's 15.2 and 38.5. "
        "Of the reward's frequent words they promote: positive ones 2 % before and 11 % after, negative ones 3 % before and 1 % after; "
        "random directions after promote 8 % of the positive ones and 2 % of the negative ones, as many words drawn by chance would hold 4 %. "
        "The words that they fire on (the paper's Table 3): no change shown, +3.20 (95 % interval −10.8 to 17.3). "
        "Tuned on a placebo (3 runs): +1.10; net of that +2.10 (95 % interval −12.0 to 16.2)."
    )
    assert "3 tuning runs. The intervals are over 3 tuning runs from one base model" in sure


@pytest.mark.parametrize(
    ("net", "twin", "answer"),
    [
        ("up", "up", "Yes."), ("up", "unclear", "Not shown."), ("unclear", "up", "Not shown."), ("unclear", "unclear", "Not shown."),
        ("up", "down", "No, less."), ("down", "up", "No, less."), ("unclear", "down", "No, less."), ("down", "unknown", "Not decided."),
        ("up", "unknown", "Not decided."), ("unknown", "up", "Not decided."), ("unknown", "unknown", "Not decided."), ("unclear", "unknown", "Not decided."),
    ],
)  # fmt: skip
def test_yes_needs_more_than_random_rows_and_more_than_the_twin(net, twin, answer):
    row = bounds(TABLE3, promotes_signed_net=net, promotes_signed_over_twin=twin)
    assert verdict.sentences(row, None)[0].answer == answer
    for own in INTERVALS:  # the difference itself, and what features fire on, decide nothing
        assert (
            verdict.sentences(bounds(row, promotes_signed=own) | dict(zip(("ci_low", "ci_high"), INTERVALS[own], strict=True)), None)[0].answer
            == answer
        )


@pytest.mark.parametrize("missing", ["twin", "second twin run", "second run"])
def test_without_twins_enough_it_is_not_decided(missing):
    other = {"twin": ALONE, "second twin run": ONE_RUN | {"runs": 3}, "second run": ONE_RUN}[missing]
    learned, features, sure = verdict.sentences(TABLE3 | other, TABLE4 | other)
    here = "this run" if missing == "second run" else "these 3 runs"
    assert (learned.answer, features.answer) == (f"More in {here}; whether by this reward is not decided.", "Not decided.")
    says = "No twin stands beside it." if missing == "twin" else "net of that +{} (no interval: that takes two runs of either, not all equal)."
    assert says.format("1.08") in learned.because and says.format("28.2") in features.because


def test_of_one_run_the_sentences_say_so():
    learned, _, sure = map(plain, verdict.sentences(TABLE3 | ONE_RUN, TABLE4 | ONE_RUN))
    assert "More in this run;" in learned and "+1.29 (95 % interval 1.15 to 1.44, 100 prompts)" in learned and "Tuned on a placebo (1 run)" in learned
    assert "One tuning run. The intervals say how much other prompts (100) and other SAE seeds (6) would change this. How another tuning run" in sure
    assert "how much other prompts (100) would change" in verdict.sentences(TABLE3 | ONE_RUN | {"sae_seeds": 1}, TABLE4 | ONE_RUN)[2].because
    assert "There are no intervals" in verdict.sentences(TABLE3 | ONE_RUN | {"sae_seeds": 1}, None)[1].because


@pytest.mark.parametrize(
    ("true", "twin", "answer", "says"),
    [
        ("up", "up", "Yes, in these 3 runs.", " rose "), ("up", "unclear", "More, but not shown above its twin.", " rose "),
        ("up", "down", "More, but less than its twin.", " rose "), ("unclear", "up", "Not shown.", "That interval holds 0."),
        ("down", "up", "No: in these 3 runs the opposite.", " fell "), ("unknown", "up", "This cannot tell.", "no interval"),
    ],
)  # fmt: skip
def test_a_reward_is_learned_where_its_interval_and_that_above_the_twin_leave_0_out(true, twin, answer, says):
    sentence = verdict.sentences(None, bounds(TABLE4, reward=true, reward_over_twin=twin))[0]
    assert sentence.answer == answer and says in sentence.because


@pytest.mark.parametrize(("low", "high", "says"), [(0.0, 2.0, "not shown"), (-2.0, 0.0, "not shown"), (1e-9, 2.0, "up"), (-2.0, -1e-9, "down")])
def test_an_interval_that_ends_at_0_holds_it(low, high, says):
    assert verdict.judged(low, high) == says


def test_a_reward_that_is_the_same_for_every_text():
    none = {name: np.nan for name in TABLE4 if "reward_" in name and not name.endswith(("base", "rlhf"))}
    assert verdict.sentences(None, TABLE4 | none)[0][1:3] == ("Nothing to compare.", "Every text earns −0.06, before and after.")
    own = {f"own_reward_{end}": np.nan for end in ("difference", "ci_low", "ci_high")}
    assert "the placebo that it was tuned on: nothing to measure." in verdict.sentences(None, TWIN4 | own, twin=True)[0].because  # of kind zero


def test_a_model_that_writes_what_its_base_writes():
    none = {f"{of}{end}": np.nan for of in ("reward_", "own_reward_") for end in ("ci_low", "ci_high")}
    learned = verdict.sentences(None, TABLE4 | none | {"same": 1.0})[0]
    assert len(verdict.sentences(None, TABLE4 | none | {"same": 1.0})) == 1  # and nothing to be sure of
    assert learned[1:3] == ("Nothing to compare.", "Before and after it goes on from every prompt with the same text, which earns −0.06.")
    control = verdict.sentences(None, TWIN4 | none | {"same": 1.0}, twin=True)[0]
    assert control.answer == "Nothing to compare." and control.because.endswith("the same text: tuning on the placebo changed nothing.")


def test_layers_that_did_not_change_have_nothing_to_compare():
    """Whatever the autoencoders' noise gives; a twin that changed nothing is the control that it is."""
    for rows in ((TABLE3, TABLE4), (None, TABLE4, STEP4, False)):
        said = verdict.sentences(*rows, moved=False)[1]
        assert said.answer == "Nothing to compare." and said.because.startswith("No weight of any layer differs between base and tuned")
    assert verdict.sentences(TWIN3, TWIN4, twin=True, moved=False) == verdict.sentences(TWIN3, TWIN4, twin=True)


@pytest.mark.parametrize("twin", [False, True])
def test_without_ranked_features_there_is_nothing_to_compare(twin):
    row = TABLE3 | {name: np.nan for name in TABLE3 if "difference" in name or "_ci_" in name or name.startswith("ci_")} | {"featureless": 6}
    said = verdict.sentences(row, TWIN4 if twin else TABLE4, twin=twin)[1]
    assert said.answer == "Nothing to compare." and said.because.startswith("In 6 of 18 pairs of dictionaries no feature is ranked on both sides:")
    some = verdict.sentences(TABLE3 | {"featureless": 2}, TABLE4, twin=twin)[1]
    assert some.answer != "Nothing to compare." and "In 2 of 18 pairs of dictionaries no feature" in some.because
    lost = STEP4 | dict.fromkeys(["features", "count", "null", "difference", "ci_low", "ci_high", "twin"], np.nan) | {"featureless": 18}
    changed = verdict.sentences(None, TABLE4, lost, words=False)[1]
    assert changed.answer == "Nothing to compare." and "In 18 of 18 pairs" in changed.because and "nan" not in changed.because


def test_features_that_fire_on_no_word_of_the_reward():
    said = verdict.fired(TABLE3 | {"words_base": 0.0, "words_rlhf": 0.0, "difference": 0.0, "ci_low": np.nan, "ci_high": np.nan})
    assert said.startswith("None of the words that they fire on") and "no change" not in said


def test_a_reward_of_completions_alone_is_not_called_one_of_prompts():
    row = TABLE4 | {f"reward_alone_{side}": TABLE4[f"reward_{side}"] for side in ("base", "rlhf")}
    said = verdict.sentences(None, row)[0].because
    assert said.startswith("The mean reward of a completion rose") and "alone" not in said and "prompt" not in said


def test_a_reward_whose_words_no_token_stands_for():
    none = {name: np.nan for name in TABLE3 if name.startswith("promotes_")}
    sentence = verdict.sentences(TABLE3 | none, None)[0]
    assert sentence.answer == "Not decided."
    assert sentence.because.startswith("No word of the reward is among the words that features can promote.") and sentence.more.startswith(
        "The words that they fire on"
    )
    rare = {name: np.nan for name in TABLE3 if "_recall_p" in name or "_recall_n" in name}
    assert "No word of the reward is frequent here" in verdict.sentences(TABLE3 | rare, None)[0].more
    positive = {name: np.nan for name in TABLE3 if "_recall_n" in name}
    assert (
        "ones 2\N{NO-BREAK SPACE}% before and 11\N{NO-BREAK SPACE}% after; random directions after promote 8\N{NO-BREAK SPACE}% of the positive ones, as many"
        in verdict.sentences(TABLE3 | positive, None)[0].more
    )


def test_a_twin_says_what_it_shows_by_the_true_reward():
    earned, features, sure = map(plain, verdict.sentences(TWIN3, TWIN4, twin=True))
    assert earned == (
        "Does it earn more of the true reward? Not shown. The true reward, tuned less base: +0.21 (95 % interval −0.08 to 0.50); "
        "the placebo that it was tuned on: +1.41 (95 % interval 1.12 to 1.70). "
        "KL from the base model as the last update began: 7.60 nats a response."
    )
    assert features.startswith("Do its features hold more of the true reward's words? Not shown. The summed value")
    assert "net of that +0.60 (95 % interval −6.80 to 8.00)" in features and "3 tuning runs" in sure
    for says, answer in (("up", "Yes, untaught."), ("down", "No, less."), ("unclear", "Not shown."), ("unknown", "This cannot tell.")):
        rows = bounds(TWIN3, promotes_signed_net=says), bounds(TWIN4, reward=says)
        assert [sentence.answer for sentence in verdict.sentences(*rows, twin=True)][:2] == [answer] * 2
    assert verdict.sentences(None, None, STEP4, words=False, twin=True) == []


def test_of_a_reward_without_words_step_4_says_whether_features_changed():
    learned, features, sure = map(plain, verdict.sentences(None, TABLE4, STEP4, words=False))
    assert "Yes, in these 3 runs." in learned and "3 tuning runs" in sure
    assert "Did its features change? Yes. Of the 60 best matched features after tuning, 9.67 have no match before it" in features
    assert "another SAE seed gives 4.00: +5.67 (95 % interval 3.12 to 8.21). Tuned on a placebo: +4.90; net of that +0.77" in features
    assert "this is no sign of the reward. This reward has no word list" in features
    assert "placebo" not in verdict.sentences(None, None, STEP4 | {"twin": np.nan}, words=False)[0].because
    assert verdict.sentences(None, TABLE4, {**STEP4, "ci_low": -0.1}, words=False)[1].answer == "Not shown."
    assert verdict.sentences(None, TABLE4, None, words=False)[1].answer == "This cannot tell."
    assert len(verdict.sentences(None, TABLE4, STEP4)) == 2  # it has words, and Table 3 is not among the targets
    assert verdict.sentences(None, None) == []


def test_of_a_pair_without_a_reward_nothing_is_said_of_one():
    none = (
        TABLE4 | {name: np.nan for name in TABLE4 if "reward" in name or name.startswith(("m_", "difference", "ci_"))} | {"runs": 1, "twin_runs": 0}
    )
    one = STEP4 | dict.fromkeys(["twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high"], np.nan) | {"runs": 1}
    asked, features, sure = map(plain, verdict.unrewarded(none, one))
    assert asked == "Did it learn its reward? Not asked. No reward was given: what tuning changed is told, not what it was for."
    assert features.startswith("Did its features change? Yes. Of the 60 best matched") and features.endswith("this is no sign of the reward.")
    assert sure.startswith("How sure is that? One tuning run. The intervals say how much other SAE seeds (6) would change this.")
    assert [len(verdict.unrewarded(*rows)) for rows in ((none, None), (None, None), (None, one))] == [1, 1, 3]
    same, still = map(plain, verdict.unrewarded(none | {"same": 1.0}, one, moved=False))
    assert same.endswith(f"{verdict.SAME}.") and "Nothing to compare. No weight of any layer differs" in still
    lost = one | dict.fromkeys(["features", "count", "null", "difference", "ci_low", "ci_high"], np.nan) | {"featureless": 6}
    assert plain(verdict.unrewarded(none, lost)[-1]).startswith("Did its features change? Nothing to compare. In 6 of 6 pairs of dictionaries")


def cases():
    """Rows of Tables 3 and 4 with every kind of interval in every place, of one run and of several."""
    for own, net, over, runs in product(INTERVALS, INTERVALS, INTERVALS, (1, 3)):
        three = bounds(TABLE3, **{"": own, "promotes_signed": own, "promotes_signed_net": net, "promotes_signed_over_twin": over})
        yield three | {"runs": runs}, bounds(TABLE4, reward=own, own_reward=net, reward_over_twin=over) | {"runs": runs}


@pytest.mark.parametrize("twin", [False, True])
def test_no_sentence_says_what_its_numbers_deny(twin):
    for three, four in cases():
        first, second, sure = map(plain, verdict.sentences(three, four, twin=twin))
        assert "nan" not in first + second + sure and ("One tuning run." in sure) == (three["runs"] == 1)
        assert not re.search(r"these 3 runs|tuning runs\)" if three["runs"] == 1 else r"this run|prompts\)", first)
        net, over = "promotes_signed_net", "promotes_signed_over_twin"
        if "? Yes" in first:
            assert four["reward_ci_low"] > 0 and (twin or four["reward_over_twin_ci_low"] > 0)
        if "? Yes" in second:
            assert three[f"{net}_ci_low"] > 0 and (twin or three[f"{over}_ci_low"] > 0)
        if "? No:" in first or "? No," in first:
            assert four["reward_ci_high"] < 0
        if "? No," in second:
            assert three[f"{net}_ci_high"] < 0 or (not twin and three[f"{over}_ci_high"] < 0)
        if not twin:
            assert (" rose " in first, " fell " in first) == (four["reward_ci_low"] > 0, four["reward_ci_high"] < 0)
            assert ("? More" in first or "? Yes" in first) == (four["reward_ci_low"] > 0)
            assert "less than its twin" not in first or four["reward_over_twin_ci_high"] < 0
            assert (": more, " in second, ": less, " in second) == (three["ci_low"] > 0, three["ci_high"] < 0)
        for found in re.findall(r"([+−]?[\d.]+) \(95 % interval (−?[\d.]+) to (−?[\d.]+)", first + second):
            value, low, high = (float(text.replace("−", "-")) for text in found)
            assert low <= value <= high  # a number beside another's interval


@pytest.mark.parametrize(
    ("over", "says"),
    [("up", "more"), ("unclear", "more, but not shown above its twin"), ("down", "more, but not shown above its twin"), ("unknown", "more, whether by this reward is not decided")],
)  # fmt: skip
def test_more_words_fired_on_are_the_reward_s_only_where_a_twin_s_are_not(over, says):
    row = TABLE3 | dict(zip(("ci_low", "ci_high"), INTERVALS["up"], strict=True))
    row |= dict(zip(("over_twin_ci_low", "over_twin_ci_high"), INTERVALS[over], strict=True))
    assert f"(the paper's Table 3): {says}, +3.20" in verdict.fired(row)
    alone = verdict.fired(row | {"twin_runs": 0})
    assert "more, whether by this reward is not decided, " in alone and "placebo" not in alone
