"""What a match does to the logits (benchmarks/matched_features.py), on linear models whose answer is known by hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rewardscope.export.results import Results

FILE = Path(__file__).parents[1] / "benchmarks/matched_features.py"
TO_LOGITS = torch.tensor([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0], [1.0, -1.0, -1.0, 1.0]]) / 2  # orthonormal, without a mean
FIRES = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.5]])
OWN, MATCH = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.8, 0.6, 0.0])


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("matched_features", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def linear(weights):
    """Logits of x + what is added, of a linear model, and a constant a position that no probability knows."""
    x = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    return lambda added: (x + added) @ weights + (x + added).sum(dim=-1, keepdim=True)


@pytest.mark.parametrize(("size", "of_own"), [(1.0, 1.0), (3.0, 1.0), (1.0, 2.0)])
def test_orthonormal(bench, size, of_own):
    """D(u) = f u: |m - w| = sqrt(.2^2 + .6^2) of |w|, whatever the norms of the rows."""
    found = bench.kept(linear(TO_LOGITS), FIRES, of_own * OWN, size * MATCH)
    assert found == pytest.approx({"kept": 1 - 0.4**0.5, "cosine": 0.8}, abs=1e-5)


def test_what_the_model_does_not_read_is_no_difference(bench):
    """Without the second direction what is left of the match is .8 of the feature's own."""
    found = bench.kept(linear(TO_LOGITS * torch.tensor([1.0, 0.0, 1.0])[:, None]), FIRES, OWN, MATCH)
    assert found == pytest.approx({"kept": 0.8, "cosine": 1.0}, abs=1e-5)


def test_of_another_direction_nothing_is_kept(bench):
    found = bench.kept(linear(TO_LOGITS), FIRES, OWN, torch.tensor([0.0, 0.0, 1.0]))
    assert found == pytest.approx({"kept": 1 - 2**0.5, "cosine": 0.0}, abs=1e-5)


def test_itself_is_all_of_it(bench):
    assert bench.kept(linear(TO_LOGITS), FIRES, OWN, 2 * OWN) == pytest.approx({"kept": 1.0, "cosine": 1.0}, abs=1e-6)


def test_the_change_is_to_the_ablated_model_and_through_all_of_it(bench):
    """logits = g(x) with g cubic on one direction: D(u) = (x + f (u - w))^3 - (x - f w)^3."""
    x = torch.full((1, 1, 3), 1.0)

    def logits(added):
        return torch.stack([(x + added)[..., 0] ** 3, -((x + added)[..., 0] ** 3)], dim=-1)

    f, own, match = torch.tensor([[1.0]]), torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.6, 0.8, 0.0])
    assert bench.kept(logits, f, own, match) == pytest.approx({"kept": 0.6**3, "cosine": 1.0})  # 1 - 0, (1 - 1 + .6)^3 - 0


def test_a_feature_that_changes_nothing(bench):
    found = bench.kept(linear(torch.zeros(3, 4)), FIRES, OWN, MATCH)
    assert np.isnan([*found.values()]).all()


def test_others_are_of_other_features(bench):
    matches = np.array([3, 5, 5, 8])
    drawn = np.array([bench.others(matches, np.random.default_rng(seed)) for seed in range(30)])
    assert (drawn != matches).all() and [set(column) for column in drawn.T] == [{5, 8}, {3, 8}, {3, 8}, {3, 5}]
    assert (bench.others(np.array([4, 4]), np.random.default_rng(0)) == -1).all()


def test_mean_over_seeds_and_its_interval(bench):
    rows = pd.DataFrame({"place": [1, 2, 1, 2], "seed": [1, 1, 2, 2], "rows": 0.9, "kept": [0.5, 0.0, 0.7, 0.0], "cosine": 0.9})
    rows = rows.assign(random_kept=[-0.5, 0.0, -0.5, 0.0], random_cosine=0.1)
    assert bench.line(rows, 1)[:6] == ["1", "1", "0.90", "0.60 (-0.67 to 1.87)", "-0.50", "1.10 (-0.17 to 2.37)"]  # t(1) 12.706 x .1
    assert bench.line(rows, 2)[3].startswith("0.30 ")


@pytest.mark.workflow
def test_a_finished_run(bench, finished):
    """Both sides, by their own models and autoencoders: the feature itself as its match keeps all."""
    results = Results(finished / "results")
    for place in results.places(model="tiny", reward="utility", run=1, pick="top1").to_dict("records"):
        rows = bench.of_place(results, place, "mlp", top=2, pool=40, count=3, length=16)
        assert {*rows["seed"]} == {1, 2} and rows["place"].max() <= 2 and np.isfinite(rows.to_numpy(float)).all()
        assert (rows["kept"] < 1).all() and rows["cosine"].between(-1, 1).all()
