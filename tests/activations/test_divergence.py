"""Parameter divergence on tensors changed by hand."""

import copy
import math

import pytest
import tiny
import torch

from rewardscope.activations.divergence import divergence
from rewardscope.errors import UserError
from rewardscope.models import models


def test_by_hand():
    base = tiny.build("gpt_neox")
    tuned = copy.deepcopy(base)
    with torch.no_grad():
        first, last = tuned.gpt_neox.layers[0], tuned.gpt_neox.layers[2]
        first.mlp.dense_h_to_4h.bias[0] += 3.0
        first.mlp.dense_h_to_4h.bias[5] -= 4.0  # 5 = sqrt(3^2 + 4^2)
        last.attention.dense.weight += 0.5  # 16 x 16 entries: 0.5 x 16 = 8
        last.input_layernorm.weight[2] += 2.0
        tuned.gpt_neox.embed_in.weight += 1.0  # outside the blocks: no part of any layer
        tuned.lm_head.weight += 1.0
    table = divergence(base, tuned)
    assert table.columns.tolist() == ["layer", "tensor", "distance"]
    changed = table[table["distance"] > 0].set_index(["layer", "tensor"])["distance"].to_dict()
    assert changed == pytest.approx(
        {(0, "mlp.dense_h_to_4h.bias"): 5.0, (2, "attention.dense.weight"): 8.0, (2, "input_layernorm.weight"): 2.0}, rel=1e-6
    )
    assert table.groupby("layer")["distance"].sum().tolist() == pytest.approx([5.0, 0.0, 10.0], rel=1e-6)
    for layer, rows in table.groupby("layer"):
        assert rows["tensor"].tolist() == [name for name, _ in base.gpt_neox.layers[layer].named_parameters()]


def test_float64():
    """Whatever the checkpoints' dtype: bfloat16 holds sqrt(3) only as 1.734375, float32 to 7 digits."""
    base = tiny.build("gpt_neox").to(torch.bfloat16)
    tuned = copy.deepcopy(base)
    with torch.no_grad():
        base.gpt_neox.layers[1].mlp.dense_h_to_4h.bias[:3] = 0.0
        tuned.gpt_neox.layers[1].mlp.dense_h_to_4h.bias[:3] = 1.0
    assert divergence(base, tuned)["distance"].sum() == pytest.approx(math.sqrt(3), rel=1e-14)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_model_and_itself(kind):
    base = models.load(tiny.checkpoint(kind))
    table = divergence(base, models.load(tiny.checkpoint(kind)))
    assert sorted(table["layer"].unique()) == [0, 1, 2] and (table["distance"] == 0).all()
    other = tiny.build(kind, seed=4)
    assert divergence(base, other)["distance"].gt(0).all()
    assert divergence(base, other).equals(divergence(other, base))


def test_models_that_do_not_match():
    base = tiny.build("gpt_neox")
    fewer = copy.deepcopy(base)
    del fewer.gpt_neox.layers[2]
    fewer.config.num_hidden_layers = 2
    with pytest.raises(UserError, match="^the base model has 3 layers, the tuned one 2$"):
        divergence(base, fewer)
    with pytest.raises(UserError, match="^layer 0: tensors differ: .*'mlp.dense_h_to_4h.bias'"):
        divergence(base, tiny.build("llama"))
    wider = copy.deepcopy(base)
    wider.gpt_neox.layers[1].mlp.dense_h_to_4h = torch.nn.Linear(16, 80)
    with pytest.raises(UserError) as caught:
        divergence(base, wider)
    assert str(caught.value) == "layer 1, mlp.dense_h_to_4h.weight: (64, 16) in base, (80, 16) tuned"
