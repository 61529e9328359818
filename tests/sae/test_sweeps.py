"""Sweeps: each setting is the training that `saes` would do; one after another on the same starts."""

import torch

from rewardscope.sae import sweeps, train

RECIPE = {"tied": True, "l1_on": "activations", "epochs": 1, "learning_rate": 0.01, "frozen_decoder": False, "precision": "float32", "l1": 0.01}
X = torch.randn(600, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 7)


def test_each_setting_is_trained_as_saes_does():
    recipes = [RECIPE, RECIPE | {"tied": False}, RECIPE | {"l1_on": "weights", "l1": 0.5}]
    arguments = (6, 8), (50, [11, 12], "cpu")
    metrics, curves = sweeps.sweep(lambda epoch: iter([X[:400]]), lambda: iter([X[400:]]), *arguments[0], recipes, *arguments[1])
    assert metrics[["tied", "l1_on", "l1_coefficient", "seed"]].values.tolist() == [
        [True, "activations", 0.01, 1], [True, "activations", 0.01, 2], [False, "activations", 0.01, 1], [False, "activations", 0.01, 2],
        [True, "weights", 0.5, 1], [True, "weights", 0.5, 2],
    ]  # fmt: skip
    for i, recipe in enumerate(recipes):
        model, rows = train.train(lambda epoch: iter([X[:400]]), *arguments[0], recipe, recipe["l1"], *arguments[1])
        found, _ = train.evaluate(model, lambda: iter([X[400:]]))
        for s in (0, 1):
            ours = metrics.iloc[2 * i + s]
            assert {name: ours[name] for name in found[s]} == found[s]
            own = curves[(curves["l1_coefficient"] == recipe["l1"]) & (curves["tied"] == recipe["tied"]) & (curves["seed"] == s + 1)]
            assert own["loss"].tolist() == [row["loss"][s] for row in rows] and own["step"].tolist() == list(range(8))
