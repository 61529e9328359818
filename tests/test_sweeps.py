"""Sweeps: each setting is the training that `saes` would do; layers are averaged inside a seed, seeds are the replicates."""
import math

import pandas as pd
import pytest
import torch
from scipy import stats

from rewardscope import saes, sweeps
from rewardscope.errors import UserError

RECIPE = {"tied": True, "l1_on": "activations", "epochs": 1, "learning_rate": 0.01, "frozen_decoder": False, "precision": "float32", "l1": 0.01}
X = torch.randn(600, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 7)


def test_each_setting_is_trained_as_saes_does():
    recipes = [RECIPE, RECIPE | {"tied": False}, RECIPE | {"l1_on": "weights", "l1": 0.5}]
    arguments = (6, 8), (50, [11, 12], "cpu")
    metrics, curves = sweeps.train(lambda epoch: iter([X[:400]]), lambda: iter([X[400:]]), *arguments[0], recipes, *arguments[1])
    assert metrics[["tied", "l1_on", "l1_coefficient", "seed"]].values.tolist() == [
        [True, "activations", 0.01, 1], [True, "activations", 0.01, 2], [False, "activations", 0.01, 1], [False, "activations", 0.01, 2],
        [True, "weights", 0.5, 1], [True, "weights", 0.5, 2],
    ]  # fmt: skip
    for i, recipe in enumerate(recipes):
        model, rows = saes.train(lambda epoch: iter([X[:400]]), *arguments[0], recipe, recipe["l1"], *arguments[1])
        found, _ = saes.evaluate(model, lambda: iter([X[400:]]))
        for s in (0, 1):
            ours = metrics.iloc[2 * i + s]
            assert {name: ours[name] for name in found[s]} == found[s]
            own = curves[(curves["l1_coefficient"] == recipe["l1"]) & (curves["tied"] == recipe["tied"]) & (curves["seed"] == s + 1)]
            assert own["loss"].tolist() == [row["loss"][s] for row in rows] and own["step"].tolist() == list(range(8))


def test_gather(tmp_path):
    frame = pd.DataFrame({"seed": [1, 2], "l0": [3.0, 4.0]})
    frame.to_parquet(tmp_path / "rows.parquet")
    pair = "pairs/tiny/utility/run2"
    places = [(pair, "top1", 8), (pair, "low1", 8)]
    found = sweeps.gather(places, [tmp_path / "rows.parquet"] * 2, {pair: {"top1": 3, "low1": 0}}, "base")
    assert found.values.tolist() == [
        [seed, l0, "tiny", "utility", "run2", "base", pick, layer, 8]
        for pick, layer in (("top1", 3), ("low1", 0))
        for seed, l0 in ((1, 3.0), (2, 4.0))
    ]
    with pytest.raises(UserError, match="no pair"):
        sweeps.gather([], [], {}, "base")
    assert list(found) == ["seed", "l0", "model", "reward", "run", "side", "pick", "layer", "width"]


def test_layers_are_averaged_inside_a_seed():
    """Six rows are three replicates: the interval is that of the three means."""
    l0 = {1: (10.0, 30.0), 2: (20.0, 30.0), 3: (20.0, 40.0)}  # means 20, 25, 30
    rows = swept(**dict(zip(("seed", "layer", "l0"), zip(*((s, layer, v[i]) for s, v in l0.items() for i, layer in enumerate((3, 2)))))))
    rows = rows.assign(mse=2.0, fvu=0.5)
    seeds = sweeps.seed_means(rows)
    assert seeds["l0"].tolist() == [20, 25, 30] and list(seeds) == sweeps.METRICS
    found, half = sweeps.estimates(seeds), stats.t.ppf(0.975, 2) * 5 / math.sqrt(3)
    assert (found["l0"], found["l0_over_100"], found["l0_ci_low"], found["l0_ci_high"]) == pytest.approx((25, 0.25, 25 - half, 25 + half))
    assert (found["mse"], found["mse_ci_low"], found["fvu"]) == (2, 2, 0.5)
    assert sweeps.layers_of(rows) == "2 3"
    assert math.isnan(sweeps.estimates(seeds[:1])["l0_ci_low"])


def swept(**values) -> pd.DataFrame:
    """Rows of a sweep: for each of `values` (columns) a row; what is not given is alike in all."""
    common = {"model": "tiny", "reward": "utility", "run": "run1", "side": "base", "pick": "top1", "layer": 3, "width": 8, "tied": True,
              "l1_on": "activations", "l1_coefficient": 0.01, "seed": 1, "l0": 1.0, "mse": 1.0, "fvu": 1.0, "dead": 0.0}  # fmt: skip
    return pd.DataFrame([common | dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)])
