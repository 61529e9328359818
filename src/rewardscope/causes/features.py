"""Which features of a layer the gain may pass through: a greedy choice, and random ones that fire as often."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.causes.patch import Patch, Side, generate, hooked, replaced, written
from rewardscope.sae.model import SAE

NEAR = 5  # a random feature is drawn from so many whose firing rate is nearest
BATCH = 64  # completions of a backward pass

Judge = Callable[[Int[Tensor, "n length"], Int[Tensor, "n new"]], np.ndarray]
"""(prompts, completions) to the reward of each"""


def part(sae: SAE, features: list[int]) -> SAE:
    """The autoencoder with these features alone."""
    return sae.part(np.array(features, dtype=int))


def effects(
    receiver: Side, donor: Side, patch: Patch, sae: SAE, ids: Int[Tensor, "n L"], weights: Float[Tensor, "n new"]
) -> tuple[Float[Tensor, "F"], Float[Tensor, "F"]]:
    """By how much, to first order, the mean over completions of sum(weights log p) would rise if the receiver had the donor's value of one
    more feature: sum over positions of (f_donor - f_receiver) w_dec . gradient by the place's output. And each feature's firing rate there.

    `ids`: prompts and completions, the last `new` of which are weighted. `patch`: of one layer, what is replaced already.
    """
    (layer,), new = patch.layers, weights.shape[1]
    effect, fires, given, receiving = torch.zeros(sae.w_enc.shape[1]), torch.zeros(sae.w_enc.shape[1]), {}, {}

    def watched(_layer: int, output: Tensor) -> Tensor:
        receiving["output"] = output.detach()
        receiving["patched"] = replaced(receiving["output"], given[layer], patch.part).detach().requires_grad_()
        return receiving["patched"]

    for rows, weight in zip(ids.to(receiver.model.device).split(BATCH), weights.to(receiver.model.device).split(BATCH), strict=True):
        with torch.no_grad(), hooked({layer: donor.places[patch.at][layer]}, given.__setitem__):
            donor.model.base_model(input_ids=rows, use_cache=False)
        with torch.enable_grad(), hooked({layer: receiver.places[patch.at][layer]}, watched):
            logits = receiver.model(input_ids=rows, use_cache=False).logits[:, -new - 1 : -1]
            chosen = logits.float().log_softmax(dim=-1).gather(2, rows[:, -new:, None]).squeeze(2)
            (gradient,) = torch.autograd.grad((chosen * weight).sum(), receiving["patched"])
        theirs, ours = (sae.encode(x.flatten(0, 1)[None])[0] for x in (given[layer], receiving["output"]))
        effect += ((theirs - ours) * (gradient.flatten(0, 1) @ sae.w_dec[0].T)).sum(dim=0).cpu()
        fires += (ours > 0).sum(dim=0).cpu()
    return effect / len(ids), fires / ids.numel()


def choose(
    base: Side, tuned: Side, at: str, layer: int, sae: SAE, sizes: list[int], prefix: Int[Tensor, "n length"], new: int, seeds: list[int],
    judge: Judge, end: int | None,
) -> tuple[list[int], Float[Tensor, "F"]]:  # fmt: skip
    """Features in the order chosen, as many as the largest of `sizes`, and the firing rate of every feature (a mean over both models).

    A round for each size, with the features chosen so far replaced: both models write completions, and a feature's estimate is the mean of two
    first-order changes of the expected reward, of the base if it got the tuned model's value and, with the sign turned, of the tuned model if
    it got the base's: the gradient at both ends of the path between them. The weight of log p(token) is the completion's reward less the mean
    (REINFORCE), so that the reward is asked of whole completions alone.
    """
    chosen: list[int] = []
    rates = torch.zeros(sae.w_enc.shape[1])
    for size in sizes:
        estimate = torch.zeros_like(rates)
        patch = Patch(at, (layer,), part(sae, chosen))
        for receiver, donor, sign in ((base, tuned, 0.5), (tuned, base, -0.5)):
            ids = generate(receiver, donor, patch, prefix, new, seeds).ids
            reward = torch.from_numpy(judge(prefix, ids)).float()
            weights = (reward - reward.mean()).unsqueeze(1) * written(ids, end)
            effect, rate = effects(receiver, donor, patch, sae, torch.cat([prefix, ids], dim=1), weights)
            estimate += sign * effect
            rates += rate / 2 if not chosen else 0
        estimate[chosen] = -torch.inf
        chosen += estimate.argsort(descending=True, stable=True)[: size - len(chosen)].tolist()
    return chosen, rates


def matched(rates: np.ndarray, chosen: list[int], count: int, seed: int) -> list[list[int]]:
    """`count` random sets, as large as `chosen`, whose features fire about as often: for each of these, in random order, one of the `NEAR`
    features of nearest rate that the set does not have yet.

    They are features that were not chosen; where fewer than that are left, all take part.
    """
    rng = np.random.default_rng(seed)
    others = np.setdiff1d(np.arange(len(rates)), chosen)
    pool = others if len(others) >= len(chosen) else np.arange(len(rates))
    sets = []
    for _ in range(count):
        left, drawn = pool.copy(), []
        for feature in rng.permutation(chosen):
            nearest = np.argsort(np.abs(rates[left] - rates[feature]), kind="stable")[:NEAR]
            taken = rng.choice(nearest)
            drawn.append(int(left[taken]))
            left = np.delete(left, taken)
        sets.append(drawn)
    return sets
