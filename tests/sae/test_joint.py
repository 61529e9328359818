"""Sources of a dictionary for both sides of a pair."""

import torch

from rewardscope.sae import joint

BASE = [torch.ones(2, 3), torch.full((1, 3), 2.0)]
TUNED = [torch.tensor([[2.0, 1.0, 1.0], [1.0, 1.0, 4.0]]), torch.full((1, 3), 2.0)]


def base(_epoch):
    return iter(BASE)


def tuned(_epoch):
    return iter(TUNED)


def test_a_shared_source_has_the_rows_of_both():
    first, second = joint.shared(base, tuned)(0)
    assert torch.equal(first, torch.cat([BASE[0], TUNED[0]])) and torch.equal(second, torch.full((2, 3), 2.0))


def test_a_difference_is_the_tuned_row_less_the_bases_times_the_scale():
    first, second = joint.difference(base, tuned, 2.0)(0)
    assert first.tolist() == [[2.0, 0.0, 0.0], [0.0, 0.0, 6.0]] and second.tolist() == [[0.0] * 3]


def test_the_scale_gives_differences_the_mean_square_of_the_tuned_rows():
    factor = joint.scale(base, tuned)
    assert abs(factor - ((6 + 18 + 12) / (1 + 9)) ** 0.5) < 1e-6
    scaled = torch.cat(list(joint.difference(base, tuned, factor)(0)))
    assert abs(scaled.square().sum().item() - torch.cat(TUNED).square().sum().item()) < 1e-4
    assert joint.scale(base, base) == 1.0
