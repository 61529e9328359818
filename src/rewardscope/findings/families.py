"""Contexts of every kind, under one form: what is scored, and read, alike."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.findings import contexts, score
from rewardscope.findings.kinds import ACTIVATION, DIRECTIONS, FEATURES, JOINT, LAST_WORDS, TOKENS
from rewardscope.findings.samples import Samples
from rewardscope.sae.model import SAE


class Joint(NamedTuple):
    """A dictionary of both sides of a layer (`sae.joint`, `sae.crosscoder`), a stack of 1."""

    kind: str
    """a key of `kinds.JOINT`"""
    sae: SAE
    scale: float
    """that its rows were multiplied by; of a crosscoder the base's"""

    def features(self, base: Float[Tensor, "T d_model"], tuned: Float[Tensor, "T d_model"]) -> Float[Tensor, "T F"]:
        """Their activations on the rows of both sides."""
        rows = {
            "shared": lambda: tuned,
            "difference": lambda: self.scale * (tuned - base),
            "crosscoder": lambda: torch.cat([self.scale * base, tuned], dim=1),
        }
        return contexts.features(self.sae, rows[self.kind]())


class Place(NamedTuple):
    """What is known of a layer: its dictionaries, and random directions with its activations' covariance."""

    pick: str
    layer: int
    saes: dict[int, SAE]
    """of the tuned side, by SAE seed, stacks of 1"""
    random: Float[Tensor, "C d_model"]
    joint: tuple[Joint, ...] = ()


class Family(NamedTuple):
    """Contexts of one kind, capped; `names` are their numbers or words."""

    kind: str
    pick: str
    layer: int
    seed: int
    names: list
    a: Float[Tensor, "T C"]


def families(samples: Samples, side: Int[Tensor, "n"], places: list[Place], before: list[str]) -> Iterator[Family]:
    """Those of every layer, then those that need none. `side`: 1 for the tuned model's completions; `before`: the last word before each token."""
    for place in places:
        rows = samples.rows[place.layer]
        rates = []
        for seed, sae in place.saes.items():
            a = contexts.features(sae, rows)
            rates.append((a > 0).float().mean(dim=0))
            yield _family(FEATURES, place, seed, a)
        for joint in place.joint:
            yield _family(JOINT[joint.kind], place, 1, joint.features(samples.base_rows[place.layer], rows))
        yield _family(DIRECTIONS, place, 0, contexts.directions(rows, place.random, rates[0][: len(place.random)]))
        both = contexts.difference(samples, rows, side)
        yield _family(ACTIVATION, place, 0, contexts.directions(rows, both, torch.tensor([0.5])))
    for kind, (names, a) in ((LAST_WORDS, contexts.last_words(before)), (TOKENS, contexts.tokens(samples))):
        often = (a > 0).sum(dim=0) >= score.FIRINGS
        yield Family(kind, "", -1, 0, [name for name, kept in zip(names, often.tolist(), strict=True) if kept], a[:, often])


def _family(kind: str, place: Place, seed: int, a: Float[Tensor, "T C"]) -> Family:
    return Family(kind, place.pick, place.layer, seed, list(range(a.shape[1])), score.capped(a))
