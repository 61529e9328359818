"""Activations of a few tokens: what is captured is what a plain forward pass of one document shows, and nothing more runs."""

import pytest
import tiny
import torch
from extractions import block, documents, padded, plain

from rewardscope.activations import extract as activations
from rewardscope.activations.extract import capture
from rewardscope.models import models


@pytest.mark.parametrize("at", ["mlp", "residual"])
@pytest.mark.parametrize("kind", tiny.KINDS)
def test_capture(kind, at):
    model = models.load(tiny.checkpoint(kind))
    ids = documents()
    assert len({len(doc) for doc in ids}) == 4  # so that rows are padded
    seen = capture(model, models.places(model, [1, 0], at), padded(ids))
    assert seen.keys() == {0, 1}
    for row, doc in enumerate(ids):
        expected = plain(kind, model, at, doc)
        for layer, x in seen.items():
            assert x.shape == (4, max(map(len, ids)), tiny.WIDTH)
            torch.testing.assert_close(x[row, : len(doc)], expected[layer], rtol=1e-5, atol=1e-5)
    assert (expected[0] - expected[1]).abs().max() > 0.01  # layers can be told apart


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_residual_of_the_last_block(kind):
    model = models.load(tiny.checkpoint(kind))
    ids = documents(1)
    last = capture(model, models.places(model, [tiny.LAYERS - 1], "residual"), torch.tensor(ids))[tiny.LAYERS - 1]
    with torch.no_grad():
        normed = models.final_norm(model)(last)[0]
    torch.testing.assert_close(normed, plain(kind, model, "residual", ids[0])[-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_model_in_bfloat16(kind):
    """The same activations, to that precision's eight bits."""
    ids = padded(documents())
    both = (models.load(tiny.checkpoint(kind), dtype) for dtype in (torch.float32, torch.bfloat16))
    exact, rounded = (capture(model, models.places(model, [2], "mlp"), ids)[2] for model in both)
    assert rounded.dtype == torch.bfloat16
    assert 0 < (rounded.float() - exact).square().mean().sqrt() < 0.02 * exact.std()


def count_calls(kind: str, model) -> dict:
    """Calls of every block and of the head, counted from now on."""
    calls = dict.fromkeys([*range(tiny.LAYERS), "head", "mlp"], 0)

    def count(name):
        def hook(*_):
            calls[name] += 1

        return hook

    for n in range(tiny.LAYERS):
        block(kind, model, n).register_forward_pre_hook(count(n))
    block(kind, model, 1).mlp.register_forward_pre_hook(count("mlp"))
    model.get_output_embeddings().register_forward_pre_hook(count("head"))
    return calls


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_nothing_above_the_deepest_layer_runs(kind):
    model = models.load(tiny.checkpoint(kind))
    mlps, block_0, mlp_2 = (models.places(model, *of) for of in (([0, 1], "mlp"), ([0], "residual"), ([2], "mlp")))
    calls = count_calls(kind, model)
    capture(model, mlps, torch.tensor(documents(1)))
    assert calls == {0: 1, 1: 1, 2: 0, "head": 0, "mlp": 1}
    capture(model, block_0, torch.tensor(documents(1)))
    assert calls == {0: 2, 1: 1, 2: 0, "head": 0, "mlp": 1}
    capture(model, mlp_2, torch.tensor(documents(1)))
    assert calls == {0: 3, 1: 2, 2: 1, "head": 0, "mlp": 2}


def hooks(model) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@pytest.mark.parametrize("at", ["mlp", "residual"])
def test_hooks_are_removed(at):
    model = models.load(tiny.checkpoint("gpt_neox"))
    before = hooks(model)
    places = models.places(model, [0, 2], at)
    capture(model, places, torch.tensor(documents(1)))
    assert hooks(model) == before
    with pytest.raises(IndexError):
        capture(model, places, torch.tensor([[tiny.VOCABULARY + 5]]))  # no such token
    assert hooks(model) == before


def test_dtypes_are_those_of_the_config():
    assert {name: str(dtype) for name, dtype in activations.DTYPES.items()} == {name: f"torch.{name}" for name in ("float32", "bfloat16", "float16")}
