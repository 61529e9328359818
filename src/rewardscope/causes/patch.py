"""Generation with another model's activations: at chosen places the receiver gets what the donor gives for the same tokens so far.

Each model keeps its own key-value cache. Attention is causal, so what either gives at a position depends on no later token: replaced once, when
its token is read, an output is what it would be if all positions were read again at every step.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from rewardscope.models import models
from rewardscope.rlhf.completions import draws, pick
from rewardscope.sae.model import SAE

BATCH = 200  # completions written at a time


class Side(NamedTuple):
    """A model, and the modules whose outputs can be replaced."""

    model: nn.Module
    places: dict[str, dict[int, nn.Module]]
    """`at` (mlp, residual) -> layer -> module, as `models.places` finds them"""


class Patch(NamedTuple):
    """What of the receiver's is replaced: at these layers the whole output or, with `part`, what the features in it read there."""

    at: str
    layers: tuple[int, ...]
    part: SAE | None = None
    """a stack of 1 that holds the features replaced and no others"""


NOTHING = Patch("residual", ())


class Written(NamedTuple):
    """n completions, and what was known of each of their tokens when it was written."""

    ids: Int[Tensor, "n new"]
    kl: Float[Tensor, "n new"]
    """KL(patched || receiver) of the next token, nats; the receiver reads the same tokens unpatched"""
    receiver: Float[Tensor, "n new"]
    """log-probability that the unpatched receiver gives the token written"""
    donor: Float[Tensor, "n new"]
    """the same of the donor"""


@contextmanager
def hooked(places: dict[int, nn.Module], see: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """For its duration `see(layer, output)` gets the hidden states that each place gives; what it returns, unless None, takes their place."""

    def hook(layer: int):
        def of(_module, _inputs, output):
            new = see(layer, models.hidden(output).clone())  # a block may add to it in place
            return new if new is None or isinstance(output, Tensor) else (new, *output[1:])

        return of

    handles = [place.register_forward_hook(hook(layer)) for layer, place in places.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def replaced(receiving: Float[Tensor, "n T d"], given: Float[Tensor, "n T d"], part: SAE | None) -> Float[Tensor, "n T d"]:
    """The donor's output `given`; through features: `own` + sum over these of (f_donor - f_receiver) w_dec, both encoded by the same autoencoder."""
    if part is None:
        return given
    change = part.encode(given.flatten(0, 1)[None]) - part.encode(receiving.flatten(0, 1)[None])
    return receiving + (change @ part.w_dec).view_as(receiving)


def generate(receiver: Side, donor: Side, patch: Patch, prefix: Int[Tensor, "n length"], new: int, seeds: list[int], batch: int = BATCH) -> Written:
    """Sample `new` tokens after each prefix by the patched receiver, at temperature 1, with the draws of `completions.generate`."""
    uniform = draws(seeds, new)
    parts = [_write(receiver, donor, patch, prefix[i : i + batch], uniform[i : i + batch]) for i in range(0, len(prefix), batch)]
    return Written(*(torch.cat(column) for column in zip(*parts, strict=True)))


@torch.no_grad()
def _write(receiver: Side, donor: Side, patch: Patch, prefix: Int[Tensor, "n length"], uniform: Float[Tensor, "n new"]) -> Written:
    ids, uniform = prefix.to(receiver.model.device), uniform.to(receiver.model.device)
    given: dict[int, Tensor] = {}
    caches, columns = [None, None, None], []  # caches: of the donor, of the receiver, of the patched receiver

    def step(stream: int, side: Side, see: Callable[[int, Tensor], Tensor | None]) -> Tensor:
        """The next token's logits after `ids`, the tokens that are new to this stream."""
        with hooked({layer: side.places[patch.at][layer] for layer in patch.layers}, see):
            result = side.model(input_ids=ids, past_key_values=caches[stream], use_cache=True)
        caches[stream] = result.past_key_values
        return result.logits[:, -1]

    for i in range(uniform.shape[1]):
        others = [step(0, donor, given.__setitem__), step(1, receiver, lambda layer, output: None)]
        patched = step(2, receiver, lambda layer, output: replaced(output, given[layer], patch.part))
        ids = pick(patched, uniform[:, i : i + 1])
        by_donor, by_receiver, by_patched = (logits.float().log_softmax(dim=-1) for logits in (*others, patched))
        kl = nn.functional.kl_div(by_receiver, by_patched, reduction="none", log_target=True).sum(dim=-1, keepdim=True)
        columns.append([ids, kl, by_receiver.gather(1, ids), by_donor.gather(1, ids)])
    return Written(*(torch.cat(column, dim=1).cpu() for column in zip(*columns, strict=True)))


def written(ids: Int[Tensor, "n new"], end: int | None) -> Float[Tensor, "n new"]:
    """1 for each token as far as the first end token, which was written too; 0 after it."""
    ends = (ids == end).int() if end is not None else torch.zeros_like(ids)
    return ((ends.cumsum(dim=1) - ends) == 0).float()
