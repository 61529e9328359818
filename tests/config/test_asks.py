"""What a config asks of a model that others made and of a corpus: as it is said of a model that is trained here, through `like` and all."""

import copy
from pathlib import Path

import pytest
import tiny
import yaml
from snakemake.utils import update_config

from rewardscope.config.config import load
from rewardscope.errors import UserError
from rewardscope.models.trial import trial

DEFAULT = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
OURS = {"corpus": "reviews", "layers": 3, "d_model": 16, "heads": 2, "context": 64, "tokens": 64}
OVERLAY = {
    "models": {"theirs": {"like": "first"}, "first": {"hub": "org/base", "sae": {"widths": [16, 32], "l1": 0.01}}},
    "rewards": {"short": {"like": "utility", "prompt_tokens": [2, 9], "response_tokens": 20}, "twin": {"twin_of": "short", "kind": "noise"}},
    "pairs": [{"model": "theirs", "reward": "twin", "corpus": "reviews"}, {"model": "theirs", "reward": "short", "corpus": "reviews"}],
    "activations": {"tokens": 64}, "completions": {"prefix": 8, "new": 8}, "findings": {"prefix": 8, "new": 8}, "causes": {"prefix": 8, "new": 8},
}  # fmt: skip


def config(*overlays: dict) -> dict:
    raw = copy.deepcopy(DEFAULT)
    for overlay in (OVERLAY, *overlays):
        update_config(raw, copy.deepcopy(overlay))
    return raw


def test_what_fits():
    asks = load(config()).asks("theirs")
    lengths = {
        "activations.tokens": 64, "completions.prefix + completions.new": 16, "findings.prefix + findings.new": 16, "causes.prefix + causes.new": 16,
        "rewards.short.prompt_tokens[1] + rewards.short.response_tokens": 29,
    }  # fmt: skip
    assert asks == {"at": DEFAULT["activations"]["at"], "lengths": lengths, "layers": {"picks.top + picks.low is 1": 1}, "width": 32}
    trial("it", tiny.build("llama"), **asks)


def test_what_tuning_reads_is_asked_under_the_key_that_sets_it():
    """A pair that is tuned elsewhere asks nothing for it, and takes nothing back of what another one does."""
    preferred = {"like": "utility", "method": "dpo", "dpo": {"preferences": {"path": "pairs.jsonl", "tokens": 40}}}
    of = {"model": "theirs", "corpus": "reviews"}
    pairs = [{"reward": "preferred"}, {"reward": "utility"}, {"reward": "sentiment", "rlhf": "tuned"}, {"name": "none", "rlhf": "tuned"}]
    raw = config({"rewards": {"preferred": preferred}, "pairs": [of | pair for pair in pairs]})
    lengths = load(raw).asks("theirs")["lengths"]
    assert {key: tokens for key, tokens in lengths.items() if "rlhf" in key or "rewards" in key} == {
        "rlhf.prompt_tokens[1] + rlhf.response_tokens": load(raw).rlhf.episode, "rewards.preferred.dpo.preferences.tokens": 40,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ({"layers": [0, 3]}, "layers[1] is 3"),
        ({"picks": {"top": 2, "low": 2}}, "picks.top + picks.low is 4"),
        ({"causes": {"prefix": 60, "new": 5}}, "causes.prefix + causes.new is 65"),
        ({"findings": {"prefix": 60, "new": 5}}, "findings.prefix + findings.new is 65"),
        ({"activations": {"tokens": 65}}, "activations.tokens is 65"),
        ({"rewards": {"short": {"response_tokens": 56}}}, "rewards.short.prompt_tokens[1] + rewards.short.response_tokens is 65"),
    ],
)
def test_what_a_fetched_model_cannot_give_is_refused_as_of_a_model_made_here(overlay, said):
    asks = load(config(overlay)).asks("theirs")  # nobody knows the model's size yet
    with pytest.raises(UserError) as caught:
        trial("it", tiny.build("llama"), **asks)
    made = config(overlay, {"models": {"first": {"hub": None, "pretrain": {**DEFAULT["models"]["tiny"]["pretrain"], **OURS}}}})
    made["pairs"] = made["pairs"][1:]
    with pytest.raises(UserError) as refused:
        load(made)
    theirs, ours = str(caught.value), str(refused.value)
    assert theirs.startswith(f"it: {said}, but the model ") and ours.startswith(f"config: {said}, but model theirs ")


def test_an_autoencoder_beyond_reason():
    asks = load(config({"models": {"theirs": {"sae": {"widths": [16, 1025]}}}})).asks("theirs")
    with pytest.raises(UserError, match="^it: an autoencoder of width 1025 is more than 64 times as wide as the model"):
        trial("it", tiny.build("llama"), **asks)


def test_lexica():
    raw = config({"rewards": {"mine": {"words": "mine.csv"}, "own": {"function": "own.py:score"}, "other": {"like": "mine", "kl": 0.1}}})
    assert load(raw).lexica("reviews") == {"short": "vader"}
    raw["pairs"] = [
        {"model": "tiny", "corpus": "reviews", "rlhf": "tuned", **of} for of in ({"reward": "other"}, {"reward": "own"}, {"name": "none"})
    ]
    assert load(raw).lexica("reviews") == {"other": "mine.csv"} and load(raw).lexica("imdb") == {}
