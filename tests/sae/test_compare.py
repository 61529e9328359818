"""Step 4: nearest features, and activity on either model's activations."""

import numpy as np
import pandas as pd
import pytest
import torch

from rewardscope.sae import compare as comparison
from rewardscope.sae import match
from rewardscope.sae import model as sae


def test_nearest_by_hand():
    own = np.array([[2.0, 0.0], [0.0, 1.0]])
    other = np.array([[1.0, 0.0], [3.0, 4.0], [-1.0, 0.0], [0.8, -0.6]])
    index, cosine = comparison.nearest(own, other, np.array([True] * 4))
    assert index.tolist() == [0, 1] and cosine.tolist() == pytest.approx([1, 0.8])
    index, cosine = comparison.nearest(own, other, np.array([False, True, True, True]))
    assert index.tolist() == [3, 1] and cosine.tolist() == pytest.approx([0.8, 0.8])  # full indices


def test_nearest_of_nothing():
    index, cosine = comparison.nearest(np.ones((3, 2)), np.ones((4, 2)), np.zeros(4, dtype=bool))
    assert index.tolist() == [-1] * 3 and np.isnan(cosine).all()


@pytest.mark.parametrize("sizes", [[9000], [1, 8500, 499]], ids=["one buffer", "unequal buffers"])
def test_activity_against_the_dense_activations(sizes):
    x = torch.randn(9000, 3, generator=torch.Generator().manual_seed(1))
    models = [sae.new(5, 3, [seed], tied=seed == 2) for seed in (2, 3)]
    models[1].b_enc += torch.linspace(-2, 1, 5)
    models[1].b_enc[0, 4] = -100
    means, rates = comparison.activity(models, lambda: iter(x.split(sizes)))
    assert means.shape == rates.shape == (2, 5)
    for m, model in enumerate(models):
        dense = np.maximum(x.double().numpy() @ model.w_enc[0].double().numpy().T + model.b_enc[0].double().numpy(), 0)
        np.testing.assert_allclose(means[m], dense.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(rates[m], (dense > 0).mean(axis=0), rtol=0, atol=1e-12)
    assert rates[1, 4] == means[1, 4] == 0


ROWS = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]])
ALL = np.ones(4, dtype=bool)


def compare(ranked=ALL) -> pd.DataFrame:
    """The RLHF side's table, with dictionaries of the other side and of the null that can be matched by eye."""
    table = match.match(ROWS, ROWS[[0, 2]], ranked, ALL[:2])
    other = np.array([[0.0, -1.0], [0.8, 0.6], [0.0, 2.0]])
    null = np.array([[1.0, 0.0], [0.0, 1.0]])
    means = {"base": np.array([10.0, 11, 12, 13]), "rlhf": np.array([20.0, 21, 22, 23])}
    rates = {"base": np.array([0.1, 0.11, 0.12, 0.13]), "rlhf": np.array([0.2, 0.21, 0.22, 0.23])}
    random = np.array([[0.0, -3.0], [-0.8, 0.6], [2.0, 0.0], [0.6, 0.8]])[: ranked.sum()]
    return comparison.compare("rlhf", table, (ROWS, ranked), (other, ALL[:3]), (null, ALL[:2]), random, means, rates)


def test_compare_by_hand():
    result = compare(np.array([True, True, True, False])).sort_values("feature").to_dict("list")
    assert sorted(result.pop("random_cosine")) == pytest.approx([0.6, 0.8, 1])  # (2, 0) -> row 1; (-0.8, 0.6) -> row 2; (0, -3) -> row 0
    # Nearest on the other side: (1, 0) -> row 1 at 0.8; (0, 1) -> row 2 at 1; (0.6, 0.8) -> row 1 at 0.96.
    approx = pytest.approx
    assert sorted(result.pop("place")) == [1, 2, 3]
    assert result == {
        "side": ["rlhf"] * 3,
        "feature": [0, 1, 2],
        "nearest": [1, 2, 1],
        "cosine": approx([0.8, 1, 0.96]),
        "null_nearest": [0, 1, 1],
        "null_cosine": approx([1, 1, 0.8]),
        "mean_on_base": [10, 11, 12],
        "mean_on_rlhf": [20, 21, 22],
        "rate_on_base": [0.1, 0.11, 0.12],
        "rate_on_rlhf": [0.2, 0.21, 0.22],
    }


def test_compare_keeps_the_places_of_the_match():
    table = match.match(ROWS, ROWS[[0, 2]], ALL, ALL[:2])
    assert compare()[["feature", "place"]].to_numpy().tolist() == table[["small", "place"]].to_numpy().tolist()


def test_random_rows_are_matched_on_the_other_side():
    """Place by place; where nothing is ranked there they have no match."""
    assert compare()["random_cosine"].tolist() == pytest.approx([1, 0.6, 0.8, 0.96])
    table, none = match.match(ROWS, ROWS, ALL, ALL), (ROWS, ~ALL)
    flat = {"base": np.zeros(4), "rlhf": np.zeros(4)}
    assert comparison.compare("base", table, (ROWS, ALL), none, (ROWS, ALL), ROWS, flat, flat)["random_cosine"].isna().all()


def test_compare_without_ranked_features_keeps_its_columns():
    result = compare(~ALL)
    assert result.empty and result.columns.tolist() == compare().columns.tolist()


def test_a_side_compared_with_itself_has_cosine_one():
    table = match.match(ROWS, ROWS, ALL, ALL)
    flat = {"base": np.zeros(4), "rlhf": np.zeros(4)}
    result = comparison.compare("base", table, (ROWS, ALL), (ROWS, ALL), (-ROWS, ALL), ROWS[::-1], flat, flat)
    assert result["nearest"].tolist() == result["feature"].tolist()
    assert result["cosine"].tolist() == pytest.approx([1] * 4)
    assert (result["null_cosine"] < 1).any()
