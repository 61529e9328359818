"""Tuning methods in the configuration: what each is told, and whose keys it refuses."""

import pytest
from test_config import complaint, with_overlay

from rewardscope.config import plan
from rewardscope.config.config import check_files, load
from rewardscope.errors import UserError

COMMON = {
    "method", "updates", "batch", "minibatch", "learning_rate", "adam_epsilon", "max_grad_norm", "max_kl", "temperature", "prompt_tokens",
    "prompt_characters", "response_tokens", "reward_on", "segment",
}  # fmt: skip
DPO = "utility-dpo: {like: utility, method: dpo}"
UTILITY = "pairs: [{model: tiny, reward: utility, corpus: reviews}]"
PAIRS = "pairs: [{model: tiny, reward: utility-dpo, corpus: reviews}]"


def test_each_method_is_told_its_own_keys():
    config = load(
        with_overlay(
            f"rewards: {{{DPO}, utility-grpo: {{like: utility, method: grpo, grpo: {{beta: 0.2}}}}, placebo: {{twin_of: utility-dpo, kind: words}}}}"
        )
    )
    assert config.rlhf_of("utility").settings().keys() == COMMON | {"ppo_epochs", "kl", "kl_target", "kl_horizon"}
    assert config.rlhf_of("utility-dpo").settings().keys() == COMMON | {"beta", "epochs"}
    grpo = config.rlhf_of("utility-grpo").settings()
    assert grpo.keys() == COMMON | {"beta", "epochs", "generations"}
    assert (grpo["method"], grpo["beta"], grpo["generations"]) == ("grpo", 0.2, config.rlhf.grpo.generations)  # beside what is inherited
    assert config.rlhf_of("placebo") == config.rlhf_of("utility-dpo")  # a twin is tuned as its true reward
    assert config.rlhf.grpo.beta > 0 and config.rlhf.rloo.beta > 0  # TRL's default for GRPO is none


def test_a_method_for_all():
    """What config.yaml gives PPO, for one reward too, is no mistake of who asks for another method."""
    config = load(with_overlay("rlhf: {method: rloo}"))
    assert config.rlhf_of("utility").settings()["generations"] == config.rlhf.rloo.generations
    load(with_overlay("rlhf: {method: dpo}\nrewards: {x: {like: sentiment, method: dpo}}\npairs: [{model: tiny, reward: x, corpus: reviews}]"))


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        (
            "rewards: {utility-dpo: {like: utility, method: dpo, kl: 0.4}}",
            "rewards.utility-dpo.kl is a key of method ppo, but its method is dpo; remove it, or tune by ppo, or write "
            "{like: utility-dpo, method: dpo} under another name",
        ),
        (
            "rewards: {utility-rloo: {like: utility, method: rloo, grpo: {beta: 0.1}}}",
            "rewards.utility-rloo.grpo is a key of method grpo, but its method is rloo; remove it, or tune by grpo, or write "
            "{like: utility-rloo, method: rloo} under another name",
        ),
        (
            "rlhf: {method: dpo}\npairs: [{model: tiny, reward: sentiment, corpus: reviews}]",
            "rewards.sentiment.kl is a key of method ppo, but its method is dpo; remove it, or tune by ppo, or write "
            "{like: sentiment, method: dpo} under another name",
        ),
        ("rlhf: {method: dop}", "rlhf.method is dop; known: ppo, dpo, grpo or rloo"),
        ("rlhf: {dpo: {generations: 4}}", "rlhf.dpo.generations is not a key; known: beta, epochs, preferences"),
        ("rlhf: {grpo: {beta: -1.0}}", "rlhf.grpo.beta is -1.0; it must be at least 0"),
        ("rlhf: {rloo: {generations: 1}}", "rlhf.rloo.generations is 1; it must be at least 2"),
        ("rlhf: {method: grpo, grpo: {generations: 7}}", "rlhf.batch is 64; it must be a multiple of grpo.generations (7)"),
        ("rlhf: {method: dpo, minibatch: 1}", "rlhf.minibatch is 1; it must be even, as method dpo takes two episodes for a pair"),
        ("rlhf: {lora: {rank: 4, alpha: 8.0}}", "rlhf.lora needs method dpo, grpo or rloo; method is ppo, which trains all weights"),
        (
            "rlhf: {dpo: {preferences: {path: pairs.csv}}}",
            "rlhf.dpo.preferences.path is pairs.csv; it must be a .parquet or .jsonl file",
        ),
        ("rlhf: {dpo: {preferences: {tokens: 64}}}", "rlhf.dpo.preferences has no source; it must have one of path, hub"),
        (
            "rlhf: {dpo: {preferences: {path: pairs.jsonl, hub: {name: org/pairs}}}}",
            "rlhf.dpo.preferences has path and hub; it must have one of path, hub",
        ),
        ("rlhf: {dpo: {preferences: {hub: {name: a/b/c}}}}", "rlhf.dpo.preferences.hub.name is a/b/c; it must be a name on the hub, such as org/name"),
        (
            "rlhf: {method: dpo, dpo: {preferences: {path: pairs.jsonl, tokens: 64}}}",
            "rewards.utility-placebo.dpo.preferences is given, and a twin would learn the same from it; it must be empty",
        ),
        (
            f"rlhf: {{method: dpo, dpo: {{preferences: {{path: pairs.jsonl}}}}}}\n{UTILITY}",
            "rlhf.dpo.preferences.tokens is 512, but model tiny reads at most 256 tokens",
        ),
    ],
)  # fmt: skip
def test_lines(overlay, line):
    assert complaint(with_overlay(overlay)).removesuffix(" (and 1 more)").removesuffix(" (and 2 more)") == line


def test_files_of_preferences_are_there():
    pairs = "{path: nowhere.jsonl, tokens: 64}"
    config = load(with_overlay(f"rewards: {{utility-dpo: {{like: utility, method: dpo, dpo: {{preferences: {pairs}}}}}}}\n{PAIRS}"))
    assert config.rlhf_of("utility-dpo").settings()["preferences"]["path"] == "nowhere.jsonl"
    with pytest.raises(UserError, match=r"^config: rewards\.utility-dpo\.dpo\.preferences\.path is nowhere\.jsonl, which is not there; "):
        check_files(config)


def test_preferences_of_the_hub():
    """Nothing of them need be here when the run is planned."""
    hub = "{hub: {name: org/pairs, revision: v1}, tokens: 64}"
    config = load(with_overlay(f"rewards: {{utility-dpo: {{like: utility, method: dpo, dpo: {{preferences: {hub}}}}}}}\n{PAIRS}"))
    check_files(config)
    settings = config.rlhf_of("utility-dpo")
    assert settings.preferred and settings.dpo.preferences.source == "org/pairs (split train)"
    assert settings.settings()["preferences"]["hub"] == {"name": "org/pairs", "revision": "v1", "split": "train"}


def test_the_plan_names_the_method():
    (line, *_) = plan.lines(load(with_overlay(f"rewards: {{{DPO}}}\n{PAIRS}")))
    assert "2,048 DPO episodes a run" in line and "PPO" not in line
