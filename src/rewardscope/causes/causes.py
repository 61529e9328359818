"""How much of the reward's gain passes where, in one pair: arms that write with some activations replaced, beside both models as they are.

`steering` is the base with the tuned model's activations (what of the gain is put in), `ablation` the tuned model with the base's (what of it is
taken away). The share is 1 where all of the gain passes there, 0 where none does.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from rewardscope import states
from rewardscope.causes.causes_table import FEATURES, RANDOM
from rewardscope.causes.features import Judge, choose, matched, part
from rewardscope.causes.patch import NOTHING, Patch, Side, generate, written
from rewardscope.errors import UserError, brief
from rewardscope.models import models
from rewardscope.rewards.rewards import Reward
from rewardscope.rlhf.completions import prefixes, texts
from rewardscope.run.job import progress
from rewardscope.sae.model import SAE
from rewardscope.seeds import derive
from rewardscope.stats import bootstrap_interval, ratio_interval

ARMS = ("steering", "ablation")
NONE = "none"
ALL = "all"  # layers
COLUMNS = [
    "arm", "place", "pick", "layer", "size", "set", "share", "ci_low", "ci_high", "mean_reward", "kl", "perplexity", "rate", "features",
]  # fmt: skip
SAVED = 20  # arms between two states


class Dictionary(NamedTuple):
    """The autoencoder of a pick, a stack of 1, and where it reads."""

    pick: str
    layer: int
    at: str
    sae: SAE


class Task(NamedTuple):
    """What every arm is asked: the same prompts, the same draws."""

    prefix: Int[Tensor, "n length"]
    new: int
    seeds: list[int]
    judge: Judge
    end: int | None


class Arm(NamedTuple):
    """What one arm wrote."""

    reward: np.ndarray
    """of each completion"""
    kl: float
    """nats a token, to the receiver as it is"""
    perplexity: float
    """a token, of the base model"""


class Tried(NamedTuple):
    """An arm before it is run: what its row says, and what is replaced."""

    names: dict
    patch: Patch


def side(model, layers: list[int]) -> tuple[Side, str]:
    """The model with its places, and why there is no `mlp` among them where it cannot be told."""
    places = {"residual": models.places(model, layers, "residual")}
    try:
        return Side(model, {"mlp": models.places(model, layers, "mlp"), **places}), ""
    except UserError as error:
        return Side(model, places), str(error)


def judge_of(reward: Reward, tokenizer, reward_on: str) -> Judge:
    """The true reward of completions, of the text that PPO asked it of. Raises UserError where it fails or gives no finite number for each."""

    def judge(prefix: Tensor, ids: Tensor) -> np.ndarray:
        _, both, alone = texts(tokenizer, prefix, ids)
        try:
            values = np.asarray(reward(both if reward_on == "both" else alone), dtype=float)
        except UserError:
            raise
        except Exception as error:  # a reward is anyone's code
            raise UserError(f"the reward fails on completions ({type(error).__name__}: {brief(error)}); mend it and run again") from error
        if values.shape != (len(ids),) or not np.isfinite(values).all():
            raise UserError("the reward does not give a finite number for every completion; mend it and run again")
        return values

    return judge


def tasks(corpus: pd.DataFrame, tokenizer, judge: Judge, settings: dict, seed: int) -> tuple[Task, Task]:
    """Openings of fit test documents, that features are chosen on, and of held ones, that every arm is measured on."""

    def task(of: str) -> Task:
        documents, prefix = prefixes(corpus, tokenizer, settings["prompts"], settings["prefix"], of, "causes.prefix")
        return Task(prefix, settings["new"], [derive(seed, "completion", document) for document in documents], judge, tokenizer.eos_token_id)

    return task("fit"), task("held")


def run(base: Side, tuned: Side, task: Task, arm: str, patch: Patch) -> Arm:
    """What an arm writes and earns."""
    receiver, donor = (base, tuned) if arm == ARMS[0] else (tuned, base)
    generated = generate(receiver, donor, patch, task.prefix, task.new, task.seeds)
    counted = written(generated.ids, task.end)
    by_base = generated.receiver if receiver is base else generated.donor
    kl, logs = ((column * counted).sum() / counted.sum() for column in (generated.kl, by_base))
    return Arm(task.judge(task.prefix, generated.ids), kl.item(), (-logs).exp().item())


def of_pair(
    base: Side, tuned: Side, chosen_on: Task, task: Task, dictionaries: list[Dictionary], settings: dict, seed: int, work: Path
) -> tuple[pd.DataFrame, str]:
    """A row an arm (`COLUMNS`), and why there are no shares where the two models earn the same. `work`: a folder of `files.resumable`.

    `set` numbers random sets from 1; the `size` that is the dictionary's own width is all of its features. `rate`: mean firing rate of a set's
    features. `kl`: nats a token, of the arm to its receiver. `perplexity`: of what the arm wrote, under the base model.
    """
    plain = {arm: run(base, tuned, task, arm, NOTHING) for arm in ARMS}
    gain = plain["ablation"].reward - plain["steering"].reward
    low, high = bootstrap_interval(gain, settings["bootstrap"], derive(seed, "gain"))
    known = low > 0 or high < 0  # not where it is nan: all completions earn the same
    problem = "" if known else f"tuned and base completions earn about the same (difference {gain.mean():.3g}): no share of it is given"
    tried = list(_layers(base))
    towards = chosen_on._replace(judge=lambda prefix, ids: np.sign(gain.mean()) * chosen_on.judge(prefix, ids))  # where tuning lowered the reward
    for number, dictionary in enumerate(dictionaries if known else []):
        tried += _features(base, tuned, towards, dictionary, settings, derive(seed, "random features", number))
    rows = [_row({"arm": arm, "place": NONE}, plain[arm]) for arm in ARMS]
    state = states.latest(work)
    rows = state.facts["rows"] if state else rows
    for names, patch in progress(tried[len(rows) - 2 :], "arms"):
        arm = run(base, tuned, task, names["arm"], patch)
        share = (np.nan, np.nan, np.nan)
        if known:
            part_of = (arm.reward - plain["steering"].reward) if names["arm"] == ARMS[0] else (plain["ablation"].reward - arm.reward)
            share = (part_of.mean() / gain.mean(), *ratio_interval(part_of, gain, settings["bootstrap"], derive(seed, "share")))
        rows.append(_row(names, arm, *map(float, share)))
        if len(rows) % SAVED == 0:
            states.save(work, len(rows), {}, rows=rows)
    return pd.DataFrame(rows, columns=COLUMNS), problem


def _row(names: dict, arm: Arm, share: float = np.nan, low: float = np.nan, high: float = np.nan) -> dict:
    blank = {"pick": "", "layer": "", "size": 0, "set": 0, "rate": np.nan, "features": []}
    measured = {"share": share, "ci_low": low, "ci_high": high, "mean_reward": float(arm.reward.mean()), "kl": arm.kl, "perplexity": arm.perplexity}
    return blank | names | measured


def _layers(base: Side) -> Iterator[Tried]:
    """The residual stream behind each layer, the MLP of each, the MLPs of all."""
    for at, places in base.places.items():
        which = {str(layer): (layer,) for layer in places} | ({ALL: tuple(places)} if at == "mlp" and len(places) > 1 else {})
        for name, layers in which.items():
            yield from (Tried({"arm": arm, "place": at, "layer": name}, Patch(at, layers)) for arm in ARMS)


def _features(base: Side, tuned: Side, task: Task, dictionary: Dictionary, settings: dict, seed: int) -> Iterator[Tried]:
    """Greedy choices of every size, random sets of like firing rates, and the whole dictionary."""
    pick, layer, at, sae = dictionary
    width = sae.w_enc.shape[1]
    sizes = [*(size for size in settings["sizes"] if size < width), width]
    chosen, rates = choose(base, tuned, at, layer, sae, sizes, task.prefix, task.new, task.seeds, task.judge, task.end)
    for size in sizes:
        sets = [(FEATURES, 0, chosen[:size])]
        if size < width:
            drawn = matched(rates.numpy(), chosen[:size], settings["random_sets"], derive(seed, size))
            sets += [(RANDOM, number, features) for number, features in enumerate(drawn, start=1)]
        for place, number, features in sets:
            names = {"place": place, "pick": pick, "layer": str(layer), "size": size, "set": number, "features": features}
            names["rate"] = torch.mean(rates[features]).item()
            yield from (Tried({"arm": arm, **names}, Patch(at, (layer,), part(sae, features))) for arm in ARMS)
