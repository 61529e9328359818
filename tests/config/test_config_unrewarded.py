"""Pairs without a reward in the configuration: what stands for one, and every mistake as the line that a user reads."""

import warnings

import pytest
from test_config import complaint, with_overlay

from rewardscope.config import plan
from rewardscope.config.config import Rlhf, load
from rewardscope.config.entries import Unrewarded

PAIR = "{model: tiny, name: audited, corpus: reviews, rlhf: tuned}"
BESIDE = f"pairs: [{{model: tiny, reward: utility, corpus: reviews}}, {PAIR}]\n"
UNKNOWN = "which is not under rewards; known: "

# (an overlay, the line that it gives without "config: ")
LINES = [
    ("pairs: [{model: tiny, corpus: reviews}]", "pairs[0] has no reward; it must have one, or a name and, as rlhf, a tuned checkpoint"),
    ("pairs: [{model: tiny, corpus: reviews, rlhf: x}]", "pairs[0] has no reward; it must have one, or a name and, as rlhf, a tuned checkpoint"),
    ("pairs: [{model: tiny, rewrd: utility, corpus: reviews}]", "pairs[0].rewrd is not a key; did you mean pairs[0].reward?"),
    (
        "pairs: [{model: tiny, name: audited, corpus: reviews}]",
        "pairs[0] has a name in place of a reward, and no rlhf; without a reward nothing is tuned here: rlhf must be a tuned checkpoint",
    ),
    ("pairs: [{model: tiny, name: x, reward: utility, corpus: reviews, rlhf: x}]", "pairs[0] has reward and name; it must have one of them"),
    (
        "pairs: [{model: tiny, name: utility, corpus: reviews, rlhf: x}]",
        "pairs[0].name is utility, which is under rewards; it must be another name, or reward: utility",
    ),
    (
        "pairs: [{model: tiny, name: a/b, corpus: reviews, rlhf: x}]",
        "pairs[0].name is a/b, which is not a usable name; a name is up to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, no two dots in a row",
    ),
    (
        f"pairs: [{{model: tiny, name: {'ab' * 20}, corpus: reviews, rlhf: x}}]",
        f"pairs[0].name is {'ab' * 20}, which is not a usable name; it ends with the same letters 20 times",
    ),
    ("pairs: [{model: tiny, name: 7, corpus: reviews, rlhf: x}]", "pairs[0].name is 7; it must be text"),
    (f"pairs: [{PAIR}, {PAIR}]", "pairs[1].name is audited, as of pairs[0]; it must be another one"),
    (f"pairs: [{PAIR}, {PAIR.replace('reviews', 'more')}]\ncorpora: {{more: {{like: reviews}}}}", "pairs[1].name is audited, as of pairs[0]; it must be another one"),
    # what only a pair has is no reward for others
    (f"pairs: [{PAIR}, {{model: tiny, reward: audited, corpus: reviews}}]", f"pairs[1].reward is audited, {UNKNOWN}sentiment, utility, utility-placebo"),
    (BESIDE + "rewards: {x: {twin_of: audited, kind: zero}}", f"rewards.x.twin_of is audited, {UNKNOWN}sentiment, utility, utility-placebo, x"),
    (BESIDE + "rewards: {x: {like: audited}}", f"rewards.x.like is audited, {UNKNOWN}sentiment, utility, utility-placebo, x"),
    # a wrong setting is told once, of where it stands
    (BESIDE + "rlhf: {kl: -1}", "rlhf.kl is -1; it must be at least 0"),
    # targets that need a reward
    (f"pairs: [{PAIR}]\ntargets: [accuracy]", "targets has accuracy, but no reward of pairs is a classifier; it must have one, or targets be without it"),
    (f"pairs: [{PAIR}]\ntargets: [section6.2]", "targets has section6.2, but no reward of pairs has a word table; it must have one, or targets be without it"),
]  # fmt: skip


@pytest.mark.parametrize("overlay, line", LINES)
def test_line(overlay, line):
    assert complaint(with_overlay(overlay)) == line


@pytest.mark.parametrize("pairs", [f"pairs: [{PAIR}]", "pairs: [{model: tiny, name: audited, reward: , corpus: reviews, rlhf: tuned}]"])
def test_the_name_stands_where_a_reward_s_does_and_has_no_source(pairs):
    config = load(with_overlay(pairs))
    (pair,) = config.pairs
    assert (pair.reward, pair.rlhf) == ("audited", "tuned") and not config.rewarded("audited") and config.rewarded("utility")
    assert set(config.rewards["audited"].model_dump(exclude=set(Rlhf.model_fields)).values()) == {None}
    with warnings.catch_warnings(action="error"):  # pydantic warns of values that are not as they should be
        assert config.rlhf_of("audited") == config.rlhf and config.true_reward("audited") is config.rewards["audited"]
    assert plan.lines(config)[0].startswith("tiny x audited, 1 run: 0 PPO episodes a run")


def test_beside_a_pair_with_a_reward_and_of_another_model():
    config = load(with_overlay(BESIDE + "targets: [section6.2]"))
    assert [pair.reward for pair in config.pairs] == ["utility", "audited"]
    assert [name for name, reward in config.rewards.items() if isinstance(reward, Unrewarded)] == ["audited"]
    of_two = load(with_overlay(f"models: {{other: {{like: tiny}}}}\npairs: [{PAIR}, {PAIR.replace('tiny', 'other')}]"))
    assert [(pair.model, pair.reward) for pair in of_two.pairs] == [("tiny", "audited"), ("other", "audited")]
