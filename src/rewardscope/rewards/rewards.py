"""Rewards: functions from texts to numbers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import NormalDist

from rewardscope.files import read_json
from rewardscope.rewards import functions
from rewardscope.rewards.utility import load_table, utility
from rewardscope.seeds import share

Reward = Callable[[list[str]], list[float]]
NORMAL = NormalDist()


def utility_reward(table: dict[str, float]) -> Reward:
    """The overseer of section 4.2 as a reward function."""
    return partial(_utilities_of, table=table)


def _utilities_of(texts: list[str], table: dict[str, float]) -> list[float]:
    return [utility(text, table) for text in texts]


def noise_reward(spread: float, name: str) -> Reward:
    """A placebo: normal with mean 0 and standard deviation `spread`, by a hash of the text under `name`; 0 for a spread of 0."""
    return partial(_noise_of, spread=spread, name=name)


def _noise_of(texts: list[str], spread: float, name: str) -> list[float]:
    quantiles = (min(max(share(text, name), 1e-12), 1 - 1e-12) for text in texts)
    return [spread * NORMAL.inv_cdf(quantile) for quantile in quantiles]


def load(entry: dict, folder: str | Path | None = None, device: object = "cpu") -> Reward | None:
    """The reward function of a `rewards:` entry of the config: its word table's, its own (`file.py:name`), its classifier's, its twin's.

    None of a pair without a reward, whose entry has no source.

    A classifier needs `folder`, where it is stored, and the torch `device` that it computes on; a twin `folder`, the file that says what it is.
    """
    if entry.get("twin_of"):
        twin = read_json(folder)
        return utility_reward(twin["table"]) if twin["kind"] == "words" else noise_reward(twin.get("spread", 0.0), twin.get("name", ""))
    if entry.get("words"):
        return utility_reward(load_table(entry["words"]))
    if entry.get("function"):
        return functions.load(entry["function"])
    if not entry.get("classifier"):
        return None
    from rewardscope.rewards import logits

    return logits.reward(folder, entry["classifier"]["positive"], device)
