"""The score of a context, by hand."""

import math

import torch

from rewardscope.findings import score


def test_the_score_is_a_sum_over_its_own_size():
    a = torch.zeros(30, 2)
    a[:25, 0] = 1.0
    a[:24, 1] = 1.0  # fires too rarely
    change, credit = torch.ones(30), torch.zeros(30)
    credit[:4] = torch.tensor([1.0, 1.0, 1.0, -1.0])
    found = score.with_reward(a, change, credit)
    assert math.isclose(found[0].item(), 2 / math.sqrt(4), rel_tol=1e-6)
    assert math.isnan(found[1].item())


def test_the_score_has_the_sign_of_tuning_times_credit():
    a, credit = torch.ones(40, 1), torch.linspace(0.5, 1.5, 40)
    assert score.with_reward(a, torch.full((40,), -0.3), credit).item() < -6
    assert score.with_reward(a, torch.full((40,), 0.3), credit).item() > 6


def test_without_a_reward_it_is_the_kl_above_the_mean():
    a = torch.zeros(60, 2)
    a[:30, 0] = a[30:, 1] = 1.0
    kl = torch.cat([torch.full((30,), 3.0), torch.full((30,), 1.0)])  # mean 2: +1 and -1
    torch.testing.assert_close(score.without_reward(a, kl), torch.tensor([30 / math.sqrt(30), -30 / math.sqrt(30)]))


def test_activations_are_capped_at_the_quantile_of_those_above_zero():
    a = torch.cat([torch.zeros(50), torch.arange(1.0, 12.0)]).unsqueeze(1)  # 1 to 11 above zero: the 0.9 quantile is 10
    capped = score.capped(a)
    assert capped.max() == 10.0 and capped[:50].sum() == 0 and capped[50:60].flatten().tolist() == list(range(1, 11))
    assert score.capped(torch.zeros(5, 1)).sum() == 0
