"""The benchmark of recipes on known features: its data and its measures, by hand."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardscope.sae.model import SAE

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("dictionaries", FOLDER / "dictionaries.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def test_planted_data(bench):
    x, sizes, directions = bench.planted(20_000, 1)
    fires = (sizes > 0).float()
    assert fires.sum(dim=1).mean().item() == pytest.approx(bench.ACTIVE, rel=0.03)
    rates = fires.mean(dim=0)
    assert rates[0] / rates[99] == pytest.approx(10, rel=0.15)  # Zipf with an exponent of a half
    same, other = np.corrcoef(fires[:, 0], fires[:, bench.GROUPS])[0, 1], np.corrcoef(fires[:, 0], fires[:, 1])[0, 1]
    assert same > 0.1 and abs(other) < 0.03
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(bench.FEATURES))
    assert (x - sizes @ directions).std().item() == pytest.approx(0.02, rel=0.02)
    again, _, directions_again = bench.planted(100, 2)
    assert torch.equal(directions, directions_again) and not torch.equal(again, x[:100])


def test_truth_by_hand(bench):
    """Three true features; one row is the first, one lies between the others and reads the second, the third feature has none, one row is dead."""
    directions = torch.eye(3)
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.8, 0.6], [0.0, 0.0, 1.0]])
    sae = SAE(torch.eye(3)[None], torch.tensor([[0.0, 0.0, -9.0]]), rows[None], torch.zeros(1, 3))
    sizes = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    x = sizes.clone()
    x[3] = torch.tensor([1.0, 0.0, 0.0])  # the first fires where it should not, the second does not where it should
    found = bench.truth(sae, x, sizes, directions)
    assert found["mcc"] == pytest.approx((1 + 0.8) / 3)
    assert found["recovered"] == pytest.approx(1 / 3)
    assert found["f1"] == pytest.approx((4 / 5 + 2 / 3) / 3)


def test_picked_by_hand(bench):
    """Ten rows, of which the large dictionary has one; that one is a true feature, and so are two others."""
    rng = np.random.default_rng(0)
    directions = np.eye(12)[:3]
    small = np.concatenate([directions, np.abs(rng.normal(size=(7, 12))) + 1])
    large = np.concatenate([directions[:1], -np.ones((4, 12))])
    assert bench.picked(small, large, directions) == (1.0, pytest.approx(0.3))


def test_every_recipe_of_the_config_is_one_that_trains(bench):
    recipes = bench.recipes()
    assert set(recipes) == {"paper", "untied", "batchtopk", "matryoshka"}
    assert recipes["matryoshka"]["nested"] and recipes["matryoshka"]["k"] == recipes["batchtopk"]["k"] == bench.ACTIVE
    assert "k" not in recipes["paper"] and recipes["paper"]["tied"]
