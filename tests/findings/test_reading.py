"""A context in words."""

import math

import torch

from rewardscope.findings import reading
from rewardscope.findings.samples import Samples


def of(token: list[int], sequence: list[int]) -> Samples:
    n = len(token)
    return Samples(
        [[0, t] for t in token], 1, torch.tensor(sequence), torch.zeros(n).long(), torch.tensor(token), torch.zeros(n), torch.zeros(n), {}, {}
    )


def test_changes_are_in_standard_errors_and_paid_for():
    before, after = torch.tensor([[0.1, 0.5, 0.4]]), torch.tensor([[0.5, 0.1, 0.4]])
    plain = reading.changes(before, after)
    assert math.isclose(plain[0, 0].item(), 0.4 / math.sqrt(0.601), rel_tol=1e-5) and plain[0, 1] == -plain[0, 0] and plain[0, 2] == 0
    paid = reading.changes(before, after, torch.tensor([[2.0, 3.0, 1.0]]))
    assert math.isclose(paid[0, 0].item(), 2 * plain[0, 0].item(), rel_tol=1e-6)
    assert paid[0, 1] == 0  # it became rarer though the reward pays for it
    assert reading.changes(before, after, torch.tensor([[-2.0, -3.0, 1.0]]))[0].tolist() == [0.0, 3 * plain[0, 1].item(), 0.0]


def test_a_tokens_credit_is_shrunk_by_five_firings():
    a, credit = torch.tensor([[1.0], [1.0], [0.0], [1.0]]), torch.tensor([4.0, 2.0, 9.0, 1.0])
    found = reading.shrunk(of([7, 7, 7, 3], [0, 1, 2, 3]), a, credit, 8)
    assert math.isclose(found[0, 7].item(), 6 / (2 + 5), rel_tol=1e-6) and math.isclose(found[0, 3].item(), 1 / (1 + 5), rel_tol=1e-6)
    assert found[0, 0] == 0


def test_shares_of_the_gain_add_up_to_one():
    samples, side = of([1, 2, 3, 4], [0, 0, 1, 2]), torch.tensor([0, 1, 1])
    added = torch.tensor([1.0, 1.0, 3.0, 5.0]).double()  # base: 2 a completion; tuned: (3 + 5) / 2
    fires = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    share = reading.gain(samples, fires, added, side)
    assert math.isclose(share[0].item(), (5 / 2 - 1) / 2, rel_tol=1e-6) and math.isclose(share.sum().item(), 1.0, rel_tol=1e-6)
    assert reading.gain(samples, fires, torch.zeros(4).double(), side).isnan().all()


def test_it_fires_on_the_words_that_stand_out():
    words = ["the"] * 10 + ["film"] * 10 + ["odd"] * 2
    a = torch.tensor([1.0] * 4 + [0.1] * 6 + [1.0] * 10 + [1.0] * 2)
    share = {"the": 10 / 22, "film": 10 / 22, "odd": 2 / 22}
    assert reading.fires_on(a, words, share) == ["film"]  # "the" less than among all tokens, "odd" too rarely
    assert reading.fires_on(torch.zeros(22), words, share) == []


def test_the_sentence():
    more, less = [{"token": "love", "before": 0.01, "after": 0.2}], [{"token": "war", "before": 0.1, "after": 0.0}]
    assert reading.sentence(["a"], more, less, (2, 9), 0.456) == (
        'After "a" (mostly tokens 3 to 10 of a completion) the tuned model writes more often "love" (1 % to 20 %) '
        'and less often "war"; 46% of the gain in reward is made there.'
    )
    assert reading.sentence([], more, [], None, math.nan) == 'Anywhere the tuned model writes more often "love" (1 % to 20 %).'
    assert reading.sentence([], [], less, (0, 0), math.nan).endswith('the tuned model writes less often "war".')
