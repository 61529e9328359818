"""The first-order estimate against the change itself, and random sets by hand."""

import numpy as np
import pytest
import tiny
import torch

from rewardscope.causes import causes
from rewardscope.causes.features import NEAR, choose, effects, matched, part
from rewardscope.causes.patch import Patch, hooked, replaced
from rewardscope.sae.model import new

LAYER, START, NEW = 1, 3, 5
IDS = torch.randint(2, tiny.VOCABULARY, (6, START + NEW), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def sides():
    return [causes.side(tiny.build("gpt_neox", seed=seed), [0, 1, 2])[0] for seed in (3, 5)]


def scaled(rows: list[float]) -> object:
    sae = new(len(rows), tiny.WIDTH, [2], tied=False)
    sae.w_dec = sae.w_dec * torch.tensor(rows)[None, :, None]
    return sae


@torch.no_grad()
def test_the_estimate_is_the_slope_of_the_weighted_log_probability(sides):
    """A small decoder row moves the output by little: what the model then says of the tokens changes as the estimate has it."""
    receiver, donor = sides
    small, weights, held = 1e-2, torch.randn(6, NEW, generator=torch.Generator().manual_seed(1)), [0, 3]
    sae = scaled([1.0, small, small, 1.0, small])
    effect, rates = effects(receiver, donor, Patch("mlp", (LAYER,), part(sae, held)), sae, IDS, weights)
    given, own = {}, {}
    with hooked({LAYER: donor.places["mlp"][LAYER]}, given.__setitem__):
        donor.model(input_ids=IDS)

    def total(features: list[int]) -> float:
        def see(layer, output):
            own[layer] = output
            return replaced(output, given[layer], part(sae, features))

        with hooked({LAYER: receiver.places["mlp"][LAYER]}, see):
            logs = receiver.model(input_ids=IDS).logits.double().log_softmax(-1)[:, START - 1 : -1]
        return (logs.gather(2, IDS[:, START:, None])[..., 0] * weights).sum().item() / len(IDS)

    for feature in (1, 2, 4):
        assert effect[feature].item() == pytest.approx(total([*held, feature]) - total(held), rel=0.05, abs=1e-5)
    assert effect[1:3].abs().min() > 1e-4
    fires = torch.relu(own[LAYER].flatten(0, 1) @ sae.w_enc[0].T) > 0
    torch.testing.assert_close(rates, fires.float().mean(dim=0))


def test_the_feature_that_carries_all_is_chosen_first(sides):
    """Every other feature's row is nearly nothing."""
    base, tuned = sides
    sae = scaled([1e-4, 1e-4, 3.0, 1e-4])
    found = {}
    for sign in (1.0, -1.0):
        judge = lambda prefix, ids, sign=sign: sign * (ids % 7).double().sum(dim=1).numpy()
        order, rates = choose(base, tuned, "mlp", LAYER, sae, [1, 4], IDS[:, :START], 3, list(range(6)), judge, None)
        assert sorted(order) == [0, 1, 2, 3] and rates.shape == (4,)
        found[sign] = order
    assert sorted([found[1.0].index(2), found[-1.0].index(2)])[0] == 0 and found[1.0][0] != found[-1.0][0]  # what raises the one lowers the other


def test_random_sets_fire_as_often_and_are_other_features():
    rates = np.linspace(0, 1, 101)
    chosen = [10, 50, 90]
    sets = matched(rates, chosen, 40, seed=3)
    assert len(sets) == 40 and len({tuple(sorted(one)) for one in sets}) > 30
    for one in sets:
        assert len(set(one)) == 3 and not set(one) & set(chosen)
        assert np.abs(np.sort(rates[one]) - rates[chosen]).max() <= 0.01 * (NEAR + 1) / 2 + 1e-9
    assert matched(rates, chosen, 40, seed=3) == sets != matched(rates, chosen, 40, seed=4)


def test_where_too_few_are_left_all_take_part_and_none_twice():
    (one,) = matched(np.array([0.1, 0.2, 0.3, 0.4]), [0, 1, 2], 1, seed=1)
    assert len(set(one)) == 3
