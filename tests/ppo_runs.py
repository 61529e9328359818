"""Runs of PPO on a tiny model, and rewards that any method's run may have."""

import copy
import os

import tiny
import torch

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from rewardscope.rlhf import ppo

CPU = torch.device("cpu")
PROMPTS = 5  # the seed of the prompts of most runs here
SETTINGS = {
    "method": "ppo", "updates": 4, "batch": 8, "minibatch": 4, "ppo_epochs": 2, "learning_rate": 1e-3, "adam_epsilon": 1e-5, "max_grad_norm": 1.0, "kl": 0.05,
    "kl_target": 6.0, "kl_horizon": 100, "max_kl": 100.0, "temperature": 1.0, "prompt_tokens": [2, 9],
    "prompt_characters": 40, "response_tokens": 6, "reward_on": "both", "segment": 2,
}  # fmt: skip


def tokenizer_with(pad: str | None):
    tokenizer = copy.deepcopy(tiny.tokenizer())
    tokenizer.pad_token = pad
    return tokenizer


def letters(texts: list[str]) -> list[float]:
    return [float(text.count("e")) for text in texts]


class Recorder:
    """A reward that keeps what it was asked, and fails at its n-th call."""

    def __init__(self, reward=letters, fails_at: int | None = None):
        self.reward, self.fails_at, self.texts, self.values = reward, fails_at, [], []

    def __call__(self, texts: list[str]) -> list[float]:
        if len(self.texts) + 1 == self.fails_at:
            raise KeyboardInterrupt
        self.texts.append(texts)
        self.values.append(self.reward(texts))
        return self.values[-1]


def train(work, reward=letters, folder=None, seed=1, prompts_seed=PROMPTS, **settings):
    return ppo.train(folder or tiny.checkpoint("gpt_neox"), list(tiny.texts()), reward, {**SETTINGS, **settings}, seed, prompts_seed, work, CPU)


def same(one, two) -> bool:
    """Two results of `train`, bit for bit."""
    (policy, rows), (other, other_rows) = one, two
    ours, theirs = policy.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours) and rows.equals(other_rows)


def match(texts: list[str], openings: list[str]) -> dict[int, int]:
    """Texts to openings, one to one, the longest opening first (one may open another)."""
    taken = {}
    for i in sorted(range(len(openings)), key=lambda i: -len(openings[i])):
        free = [t for t in range(len(texts)) if t not in taken and texts[t].startswith(openings[i])]
        assert free, f"{openings[i]!r} opens none of the texts"
        taken[free[0]] = i
    return taken
