"""Twins in the configuration: what they take over of the true reward, and every mistake as the line that a user reads."""

import pytest
from test_config import DEFAULT, SMALL, complaint, with_overlay

from rewardscope.config.config import Rlhf, check_files, load
from rewardscope.errors import UserError

JUDGED = "judged: {classifier: {hub: org/name}, kl: 0.3, response_tokens: 9}"
MORE = "corpora: {more: {like: reviews}}\n"
OF_X = "pairs: [{model: tiny, reward: x, corpus: reviews}]\n"
PAIRS = "pairs: [{model: tiny, reward: utility, corpus: reviews}, {model: %s, reward: utility-placebo, corpus: %s}]"

# (an overlay, the line that it gives without "config: ")
LINES = [
    ("rewards: {x: {words: vader, kind: noise}}", "rewards.x has kind without twin_of; a twin has both"),
    ("rewards: {x: {twin_of: utility}}", "rewards.x has twin_of without kind; a twin has both"),
    ("rewards: {x: {like: utility-placebo, kind: null}}", "rewards.x has twin_of without kind; a twin has both"),
    ("rewards: {x: {twin_of: utility, kind: word}}", "rewards.x.kind is word; known: words, noise or zero"),
    ("rewards: {x: {twin_of: utilty, kind: zero}}", "rewards.x.twin_of is utilty, which is not under rewards; did you mean utility?"),
    ("rewards: {x: {twin_of: [utility], kind: zero}}", "rewards.x.twin_of is a list of 1; it must be text"),
    (
        "rewards: {x: {like: utility, twin_of: utility, kind: zero}}",
        "rewards.x has words and twin_of; it must have one of words, function, classifier, twin_of",
    ),
    (
        OF_X + "rewards: {x: {twin_of: utility-placebo, kind: noise}}",
        "rewards.x.twin_of is utility-placebo, a twin itself; it must be the true reward, utility",
    ),
    (OF_X + "rewards: {x: {twin_of: x, kind: noise}}", "rewards.x.twin_of is x, a twin itself; it must be the true reward"),
    (OF_X + "rewards: {x: {twin_of: sentiment, kind: words}}", "rewards.x.kind is words, but sentiment has no word table; it must be noise or zero"),
    (
        OF_X + "rewards: {y: {function: 'a.py:f'}, x: {twin_of: y, kind: words}}",
        "rewards.x.kind is words, but y has no word table; it must be noise or zero",
    ),
    (MORE + PAIRS % ("tiny", "more"), "pairs[1].corpus is more; it must be that of the pair that utility-placebo is a twin of"),
    # what a twin takes over is told once, of where it stands
    ("rewards: {utility: {batch: 60, minibatch: 16}}", "rewards.utility.batch is 60; it must be a multiple of minibatch (16)"),
    (
        SMALL + "activations: {tokens: 64}\ncompletions: {prefix: 8, new: 8}\nrewards: {utility: {response_tokens: 56}}",
        "rewards.utility.prompt_tokens[1] + rewards.utility.response_tokens is 65, but model tiny reads at most 64 tokens",
    ),
    (
        SMALL + "activations: {tokens: 64}\ncompletions: {prefix: 8, new: 8}\nrewards: {utility-placebo: {response_tokens: 56}}",
        "rewards.utility-placebo.prompt_tokens[1] + rewards.utility-placebo.response_tokens is 65, but model tiny reads at most 64 tokens",
    ),
]


@pytest.mark.parametrize("overlay, line", LINES)
def test_line(overlay, line):
    assert complaint(with_overlay(overlay)) == line


def test_the_default_s_twin():
    config = load(DEFAULT)
    assert [pair.reward for pair in config.pairs] == ["utility", "utility-placebo"]
    assert (config.rewards["utility-placebo"].twin_of, config.rewards["utility-placebo"].kind) == ("utility", "words")
    assert config.rlhf_of("utility-placebo") == config.rlhf_of("utility")
    assert config.true_reward("utility-placebo") == config.true_reward("utility") == config.rewards["utility"]


def test_a_twin_takes_over_the_rlhf_settings_of_its_true_reward_and_may_have_its_own():
    config = load(
        with_overlay(f"""
        rewards:
          {JUDGED}
          later: {{like: judged, updates: 5, prompt_tokens: [3, 4]}}
          one: {{twin_of: judged, kind: noise}}
          two: {{twin_of: later, kind: zero, kl: 0.4, prompt_tokens: [2, 3]}}
          three: {{like: two, kind: noise, updates: 6}}
        """)
    )
    usual = config.rlhf
    assert config.rlhf_of("one") == config.rlhf_of("judged") == usual.model_copy(update={"kl": 0.3, "response_tokens": 9})
    own = {"response_tokens": 9, "updates": 5, "kl": 0.4, "prompt_tokens": (2, 3)}
    assert config.rlhf_of("two") == usual.model_copy(update=own)
    assert config.rlhf_of("three") == usual.model_copy(update={**own, "updates": 6})
    taken = config.rewards["one"].model_dump(exclude=set(Rlhf.model_fields))
    assert taken == {"words": None, "function": None, "classifier": None, "twin_of": "judged", "kind": "noise"}  # not what it likes


def test_a_twin_that_no_pair_uses_is_not_measured_against_its_true_reward():
    """The default's twin is there although an overlay makes something else of the true reward."""
    config = load(with_overlay("rewards: {utility: {words: null, function: 'a.py:f'}}\npairs: [{model: tiny, reward: utility, corpus: reviews}]"))
    assert config.rewards["utility-placebo"].kind == "words" and not config.rewards["utility"].words
    assert complaint(with_overlay("rewards: {utility: {words: null, function: 'a.py:f'}}")).startswith("rewards.utility-placebo.kind is words, but ")


def test_a_twin_s_pair_may_stand_alone_or_with_another_model():
    """Another corpus is a mistake only beside the true pair of the same model."""
    load(with_overlay(MORE + "pairs: [{model: tiny, reward: utility-placebo, corpus: more}]"))
    load(with_overlay("models: {other: {like: tiny}}\n" + MORE + PAIRS % ("other", "more")))
    load(with_overlay(PAIRS % ("tiny", "reviews")))


def test_a_missing_classifier_is_that_of_the_true_reward():
    """Tables ask it about the twin's completions."""
    entries = "rewards: {judged: {classifier: {path: gone}}, x: {twin_of: judged, kind: noise}}\n"
    config = load(with_overlay(entries + "pairs: [{model: tiny, reward: x, corpus: reviews}]"))
    with pytest.raises(UserError, match=r"^config: rewards\.judged\.classifier\.path is gone, which is not there; "):
        check_files(config)
