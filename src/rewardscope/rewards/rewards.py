"""Rewards: functions from texts to numbers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rewardscope.rewards import functions
from rewardscope.rewards.utility import load_table, utility

Reward = Callable[[list[str]], list[float]]


def utility_reward(table: dict[str, float]) -> Reward:
    """The overseer of section 4.2 as a reward function."""
    return partial(_utilities_of, table=table)


def _utilities_of(texts: list[str], table: dict[str, float]) -> list[float]:
    return [utility(text, table) for text in texts]


def load(entry: dict, folder: str | Path | None = None, device: object = "cpu") -> Reward:
    """The reward function of a `rewards:` entry of the config: its word table's, its own (`file.py:name`), its classifier's.

    Only a classifier needs `folder`, where it is stored, and the torch `device` that it computes on.
    """
    if entry.get("words"):
        return utility_reward(load_table(entry["words"]))
    if entry.get("function"):
        return functions.load(entry["function"])
    from rewardscope.rewards import logits

    return logits.reward(folder, entry["classifier"]["positive"], device)
