"""Parameter divergence on tensors changed by hand, read from the files of two folders."""

import copy
import math
from pathlib import Path

import pandas as pd
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from rewardscope.activations.divergence import divergence
from rewardscope.activations.picks import OUTSIDE, layer_sums, pick
from rewardscope.errors import UserError
from rewardscope.models import models, weights

OTHERS = ("gpt_neox", "gpt2", "llama", "gemma2", "olmo2", "falcon", "bloom")


@pytest.fixture
def folders(tmp_path):
    """Two models as folders, the second cut into shards."""

    def of(*pair) -> tuple[Path, Path]:
        for model, name in zip(pair, ("base", "tuned"), strict=True):
            model.save_pretrained(tmp_path / name, **({"max_shard_size": "20KB"} if name == "tuned" else {}))
        return tmp_path / "base", tmp_path / "tuned"

    return of


def loaded(base, tuned) -> pd.DataFrame:
    """What was computed from the two whole models, in the same numbers and order."""
    rows = []
    for layer, (a, b) in enumerate(zip(models.blocks(base), models.blocks(tuned), strict=True)):
        after = dict(b.named_parameters())
        rows += [(layer, name, torch.dist(tensor.double(), after[name].double()).item()) for name, tensor in a.named_parameters()]
    return pd.DataFrame(rows, columns=["layer", "tensor", "distance"])


def test_by_hand(folders):
    base = tiny.build("gpt_neox")
    tuned = copy.deepcopy(base)
    with torch.no_grad():
        first, last = tuned.gpt_neox.layers[0], tuned.gpt_neox.layers[2]
        first.mlp.dense_h_to_4h.bias[0] += 3.0
        first.mlp.dense_h_to_4h.bias[5] -= 4.0  # 5 = sqrt(3^2 + 4^2)
        last.attention.dense.weight += 0.5  # 16 x 16 entries: 0.5 x 16 = 8
        last.input_layernorm.weight[2] += 2.0
        tuned.gpt_neox.final_layer_norm.bias[1] += 0.25  # outside the blocks: no part of any layer
        tuned.lm_head.weight += 1.0  # 300 x 16 entries
    table = divergence(*folders(base, tuned))
    assert table.columns.tolist() == ["layer", "tensor", "distance"]
    changed = table[table["distance"] > 0].set_index(["layer", "tensor"])["distance"].to_dict()
    assert changed == pytest.approx(
        {
            (0, "mlp.dense_h_to_4h.bias"): 5.0, (2, "attention.dense.weight"): 8.0, (2, "input_layernorm.weight"): 2.0,
            (OUTSIDE, "gpt_neox.final_layer_norm.bias"): 0.25, (OUTSIDE, "embed_out.weight"): math.sqrt(4800),
        }, rel=1e-6,
    )  # fmt: skip
    assert layer_sums(table).to_dict() == pytest.approx({0: 5.0, 1: 0.0, 2: 10.0}, rel=1e-6)
    assert table["layer"].unique().tolist() == [0, 1, 2, OUTSIDE] and pick(table, ["top1", "top2", "low1"]) == {"top1": 2, "top2": 0, "low1": 0}


@pytest.mark.parametrize("kind", OTHERS)
def test_layers_are_those_of_the_loaded_models_to_the_last_bit(folders, kind):
    """Beside them every other tensor of the model, once; nothing is loaded as a model."""
    base, tuned = (tiny.changed(kind, seed) for seed in (1, 2))
    table = divergence(*folders(base, tuned))
    inside = table[table["layer"] != OUTSIDE]
    pd.testing.assert_frame_equal(inside, loaded(base, tuned), check_exact=True)
    assert layer_sums(table).equals(loaded(base, tuned).groupby("layer")["distance"].sum())
    blocks = {id(p) for p in models.blocks(base).parameters()}
    in_file = {"lm_head.weight": "embed_out.weight"} if kind == "gpt_neox" else {}
    outside = [in_file.get(name, name) for name, p in base.named_parameters() if id(p) not in blocks]
    assert table.loc[table["layer"] == OUTSIDE, "tensor"].tolist() == outside and (table["distance"] > 0).all()


def test_one_tensor_at_a_time(folders, monkeypatch):
    """Of each side: the last is gone when the next is read."""
    base, tuned = folders(tiny.build("gpt_neox"), tiny.build("gpt_neox", seed=4))
    alive, most, read = [], [], weights.read

    def counted(file, name):
        tensor = read(file, name)
        alive.append(1)
        most.append(len(alive))
        torch_finalize(tensor, alive.pop)
        return tensor

    from weakref import finalize as torch_finalize

    monkeypatch.setattr(weights, "read", counted)
    monkeypatch.setattr(models, "load", None)
    assert len(divergence(base, tuned)) * 2 == len(most) and max(most) <= 4  # two, and the two before until they are replaced


def test_float64(folders):
    """Whatever the checkpoints' dtype: bfloat16 holds sqrt(3) only as 1.734375, float32 to 7 digits."""
    base = tiny.build("gpt_neox").to(torch.bfloat16)
    tuned = copy.deepcopy(base)
    with torch.no_grad():
        base.gpt_neox.layers[1].mlp.dense_h_to_4h.bias[:3] = 0.0
        tuned.gpt_neox.layers[1].mlp.dense_h_to_4h.bias[:3] = 1.0
    assert divergence(*folders(base, tuned))["distance"].sum() == pytest.approx(math.sqrt(3), rel=1e-14)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_model_and_itself(folders, kind):
    base, other = folders(models.load(tiny.checkpoint(kind)), tiny.build(kind, seed=4))
    table = divergence(base, tiny.checkpoint(kind))
    assert table["layer"].unique().tolist() == [0, 1, 2, OUTSIDE] and (table["distance"] == 0).all()
    assert divergence(base, other)["distance"].gt(0).all()
    assert divergence(base, other).equals(divergence(other, base))


def test_experts(folders):
    """Files hold each expert's matrices apart, the model all in one tensor: they are of their layer."""
    table = divergence(*folders(*(tiny.changed("mixtral", seed, num_local_experts=2) for seed in (1, 2))))
    experts = table[table["tensor"].str.contains("experts")]
    assert sorted(experts["layer"].unique()) == [0, 1, 2] and len(experts) == 3 * 2 * 3


def test_models_that_do_not_match(folders, tmp_path):
    base, _ = folders(tiny.build("gpt_neox"), tiny.build("gpt_neox"))
    with pytest.raises(UserError, match="^tensors differ: embed_out.weight, gpt_neox.embed_in.weight, .*, ... in one of .* alone$"):
        divergence(base, tiny.checkpoint("llama"))
    file = base / "model.safetensors"
    tensors = load_file(file)
    name = "gpt_neox.layers.1.mlp.dense_h_to_4h.weight"
    save_file({**tensors, name: torch.zeros(80, 16)}, file, {"format": "pt"})
    with pytest.raises(UserError, match=rf"^{name}: \(80, 16\) in base, \(64, 16\) tuned$"):
        divergence(base, tmp_path / "tuned")
    less = {key: tensor for key, tensor in tensors.items() if ".layers.1." not in key}
    save_file(less, file, {"format": "pt"})
    with pytest.raises(UserError, match=r": its files hold no tensor of layer 1 \(gpt_neox.layers.1\)$"):
        divergence(base, base)
