"""Adam against torch's own and against the paper's algorithm."""
import pytest
import torch

from rewardscope import adam, states


def steps(optimizer, parameters: list[torch.Tensor], count: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    for _ in range(count):
        for p in parameters:
            p.grad = torch.randn(p.shape, generator=rng)
        optimizer.step()


def test_it_is_torchs_adam_to_the_bit():
    mine, theirs = ([torch.linspace(-1, 1, n).clone() for n in (7, 300)] for _ in range(2))
    steps(adam.Adam(mine, 0.01), mine, 5, seed=1)
    steps(torch.optim.Adam(theirs, lr=0.01, fused=True), theirs, 5, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_two_steps_by_hand():
    """Algorithm 1 of Kingma and Ba with the gradients 1 and then 3."""
    p = torch.zeros(1)
    optimizer = adam.Adam([p], 0.1)
    mean = square = moved = 0.0
    for t, gradient in enumerate((1.0, 3.0), start=1):
        p.grad = torch.tensor([gradient])
        optimizer.step()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        moved -= 0.1 * (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)) ** 0.5 + 1e-8)
        assert p.item() == pytest.approx(moved, rel=1e-5)


def test_its_state_is_kept_and_restored():
    whole, first, second = (torch.linspace(-1, 1, 9).clone() for _ in range(3))
    undisturbed, before, after = (adam.Adam([p], 0.01) for p in (whole, first, second))
    steps(undisturbed, [whole], 3, seed=2)
    steps(before, [first], 3, seed=2)
    kept = {name: tensor.clone() for name, tensor in states.of_adam(before).items()}
    second.copy_(first)
    states.restore_adam_(after, kept)
    steps(undisturbed, [whole], 2, seed=3)
    steps(after, [second], 2, seed=3)
    assert torch.equal(whole, second) and after.state[second]["step"] == 5
