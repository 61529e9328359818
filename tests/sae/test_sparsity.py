"""The search for the L1 coefficient that gives a wanted L0."""

import json

import pytest
import torch

from rewardscope.sae import sparsity, train

RECIPE = {"tied": True, "l1_on": "activations", "epochs": 4, "learning_rate": 0.003, "frozen_decoder": False, "precision": "float32"}


@pytest.mark.parametrize("start", [1e-4, 0.1, 30.0])
def test_a_power_law_is_met_from_either_side(start):
    """L0 = 2 / l1: the target 20 lies at 0.1, and regula falsi in logarithms is exact once it is bracketed."""
    tried = sparsity.search(20, lambda l1: 2 / l1, start)
    found, l0 = sparsity.best(20, tried)
    assert l0 == pytest.approx(20, rel=0.1) and found == pytest.approx(0.1, rel=0.11)
    assert len(tried) <= 7 and (start != 0.1 or len(tried) == 1)


def test_the_search_ends_where_the_target_cannot_be_had(caplog):
    tried = sparsity.search(50, lambda l1: 8.0, 1.0)
    assert len(tried) == sparsity.MOST and [coefficient for coefficient, _ in tried[:3]] == [1.0, 0.25, 0.0625]
    assert sparsity.best(50, tried)[1] == 8.0
    assert "sae.l0 is 50, and the nearest that 10 trainings came to is 8" in caplog.text


def test_features_that_die_have_no_l0_but_end_no_search():
    """Above 0.5 nothing fires: an L0 of 0 counts as 0.01."""
    found, l0 = sparsity.best(20, sparsity.search(20, lambda l1: 0.0 if l1 > 0.5 else 2 / l1, 10.0))
    assert l0 == pytest.approx(20, rel=0.1) and found == pytest.approx(0.1, rel=0.11)


def test_a_step_in_between_shrinks_the_bracket_from_both_sides():
    """100 up to 0.3, then 1: no coefficient gives 20, the nearest by ratio is 100 (5 times) and not 1 (20 times)."""
    tried = sparsity.search(20, lambda l1: 100.0 if l1 <= 0.3 else 1.0, 0.01)
    dense, sparse = max(l1 for l1, l0 in tried if l0 > 20), min(l1 for l1, l0 in tried if l0 < 20)
    assert dense <= 0.3 < sparse and sparse / dense < 1.5
    assert sparsity.best(20, tried)[1] == 100.0


def test_an_autoencoder_comes_to_its_l0():
    """Rows of three out of 24 directions in 12 dimensions."""
    rng = torch.Generator().manual_seed(3)
    directions = torch.nn.functional.normalize(torch.randn(24, 12, generator=rng), dim=1)
    active = torch.rand(4096, 24, generator=rng).argsort(dim=1)[:, :3]
    rows = (torch.rand(4096, 3, generator=rng).add(0.5).unsqueeze(2) * directions[active]).sum(dim=1)

    def l0_of(l1):
        model, _ = train.train(lambda epoch: iter([rows]), 12, 24, RECIPE, l1, 64, [5], "cpu")
        return train.evaluate(model, lambda: iter([rows]))[0][0]["l0"]

    tried = sparsity.search(4, l0_of, 0.01)
    assert sparsity.best(4, tried)[1] == pytest.approx(4, rel=0.1)


def test_the_recipe_gets_what_was_chosen(tmp_path):
    (tmp_path / "l1.json").write_text(json.dumps({"l1": 0.25, "l0": 20.5}))
    assert sparsity.settled({"l1": None, "tied": True}, tmp_path / "l1.json") == {"l1": 0.25, "tied": True}
    assert sparsity.settled({"l1": 0.5}, []) == {"l1": 0.5}
