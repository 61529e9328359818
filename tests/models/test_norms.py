"""What directions promote and where autoencoders read, in two architectures or more of each family of norm.

Tiny models with random norm weights (those that a new model has would hide a fault), against the logits of the whole model when the last
block's output is replaced: what a norm takes away and divides by is written out here, family by family.
"""

from copy import deepcopy

import pytest
import tiny
import torch
from torch import nn

from rewardscope.errors import UserError
from rewardscope.models import models

LAYER_NORM = ("gpt_neox", "gpt2", "olmo", "cohere", "nemotron")  # take the mean away; olmo's has no weight, nemotron's scales by 1 + weight
ONE_AND_WEIGHT = ("gemma", "gemma2", "gemma3_text", "qwen3_next", "qwen3_5_text")  # is what these scale by
ROOT_MEAN_SQUARE = ("llama", "qwen2", "olmo2", "glm4", *ONE_AND_WEIGHT)
BEHIND_THE_MLP = {"olmo2": "post_feedforward_layernorm", "glm4": "post_mlp_layernorm"} | dict.fromkeys(
    ("gemma2", "gemma3_text"), "post_feedforward_layernorm"
)
KINDS = LAYER_NORM + ROOT_MEAN_SQUARE
IDS = torch.randint(2, tiny.VOCABULARY, (2, 16), generator=torch.Generator().manual_seed(1))
CAP = 4.0


def logits_at(model, residuals: torch.Tensor) -> torch.Tensor:
    """Of the whole model where its last block gives these."""
    block = models.blocks(model)[-1]
    handle = block.register_forward_hook(lambda _m, _i, out: (residuals[:, None], *out[1:]) if isinstance(out, tuple) else residuals[:, None])
    with torch.no_grad():
        logits = model(input_ids=torch.full((len(residuals), 1), 5), use_cache=False).logits[:, 0].double()
    handle.remove()
    cap = getattr(model.config, "final_logit_softcapping", None)
    logits = cap * torch.atanh(logits / cap) if cap else logits  # increasing, so that it changes no order
    return logits / getattr(model.config, "logit_scale", 1.0)


def without_mean(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(dim=1, keepdim=True)


@pytest.mark.parametrize("kind", KINDS)
def test_promoted_is_what_the_model_does(kind):
    further = {"final_logit_softcapping": CAP} if kind in ("gemma2", "gemma3_text") else {}
    model = tiny.normed(kind, **further)
    directions, x = (torch.randn(6, tiny.WIDTH, generator=torch.Generator().manual_seed(n)) for n in (1, 2))
    seen = without_mean if kind in LAYER_NORM else lambda x: x  # what is left of it behind the norm
    d = seen(directions)
    x = seen(x) - d * (seen(x) * d).sum(1, keepdim=True) / (d * d).sum(1, keepdim=True)
    divisor = (seen(x + directions) ** 2).mean(1, keepdim=True).sqrt()
    change = (logits_at(model, x + directions) - logits_at(model, x - directions)) / 2 * divisor
    found = models.promoted(model, directions)
    torch.testing.assert_close(found.double(), without_mean(change), rtol=2e-3, atol=2e-3 if further else 2e-4)
    assert found.shape == (6, tiny.VOCABULARY) and found.dtype == torch.float32
    torch.testing.assert_close(models.promoted(model, 3 * directions), 3 * found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["gpt_neox", "llama"])
def test_promoted_is_the_product_that_it_was(kind):
    """W_U (weight * (d - mean d)), for the families where that was right: figures published with it stand."""
    model = tiny.normed(kind)
    directions = torch.randn(6, tiny.WIDTH, generator=torch.Generator().manual_seed(1))
    left = without_mean(directions) if kind == "gpt_neox" else directions
    product = (left * models.final_norm(model)[0].weight) @ model.get_output_embeddings().weight.T
    torch.testing.assert_close(models.promoted(model, directions), without_mean(product), rtol=1e-5, atol=1e-5)


def test_directions_without_an_effect():
    """Of the mean alone, which a LayerNorm takes away, and of nothing."""
    directions = torch.stack([torch.ones(tiny.WIDTH), torch.zeros(tiny.WIDTH)])
    assert models.promoted(tiny.normed("gpt_neox"), directions).abs().max() < 1e-4
    assert models.promoted(tiny.normed("gemma"), directions)[1].abs().max() == 0 < models.promoted(tiny.normed("gemma"), directions)[0].abs().max()
    assert models.promoted(tiny.normed("gemma"), directions[:0]).shape == (0, tiny.VOCABULARY)


@pytest.mark.parametrize("kind", KINDS)
def test_a_direction_is_added_to_the_residual_stream(kind):
    """Whatever norm the block has: what is added where an autoencoder of the MLP reads is added to what the block gives."""
    model = tiny.normed(kind)
    direction = torch.randn(tiny.WIDTH, generator=torch.Generator().manual_seed(3))
    for layer, place in models.places(model, [0, 2], "mlp").items():
        given = []
        handle = models.blocks(model)[layer].register_forward_hook(lambda _m, _i, out, to=given: to.append(out[0] if isinstance(out, tuple) else out))
        for added in (torch.zeros(tiny.WIDTH), direction):
            models.steered(model, place, added.expand(16, -1), IDS)
        handle.remove()
        torch.testing.assert_close(given[1] - given[0], direction.expand(2, 16, -1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_places(kind):
    model = tiny.normed(kind)
    block = models.blocks(model)[1]
    expected = {"gpt_neox": "post_mlp_dropout", **BEHIND_THE_MLP}.get(kind, "mlp")
    assert models.places(model, [1], "mlp") == {1: block.get_submodule(expected)}
    assert models.places(model, [2, 0], "residual") == {2: models.blocks(model)[2], 0: models.blocks(model)[0]}
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("at", ["mlp", "residual"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_steered_model_agrees(kind, at):
    model = tiny.normed(kind)
    assert models.check_promoted(model, at, IDS, 5) > 0.99
    assert models.check_promoted(deepcopy(model).bfloat16(), at, IDS, 5) > 0.99
    assert not any(module._forward_hooks for module in model.modules())


def by_weight(model, directions):
    """What was thought: that every norm scales by its weight, and that only an `nn.LayerNorm` takes the mean away."""
    norm = models.final_norm(model)[0]
    left = without_mean(directions) if isinstance(norm, nn.LayerNorm) else directions
    return without_mean((left * norm.weight) @ model.get_output_embeddings().weight.T)


@pytest.mark.parametrize("kind", [*ONE_AND_WEIGHT, "nemotron"])
def test_a_wrong_formula_is_refused(kind, monkeypatch):
    monkeypatch.setattr(models, "promoted", by_weight)
    with pytest.raises(UserError, match=r"^\w+ForCausalLM: steered along a direction .* \(correlation 0\.\d\d, 0\.98 is needed\)"):
        models.check_promoted(tiny.normed(kind), "residual", IDS, 5)


def test_a_norm_that_is_passed_over_is_refused(monkeypatch):
    """Reading before a block's post-norm, as if what is added there were added to the residual stream."""
    monkeypatch.setattr(models, "places", lambda model, layers, at: {n: models.blocks(model)[n].mlp for n in layers})
    with pytest.raises(UserError, match="set `activations.at: residual` or choose another model") as caught:
        models.check_promoted(tiny.normed("olmo2"), "mlp", IDS, 5)
    assert "\n" not in str(caught.value)


def test_logits_that_are_not_read_linearly_are_refused():
    """A head that does more than promised: one that squares, and a soft cap that cuts nearly all."""
    model = deepcopy(tiny.normed("llama"))
    model.lm_head.register_forward_hook(lambda _m, _i, out: out.sign() * out**4)
    with pytest.raises(UserError, match="needed"):
        models.check_promoted(model, "residual", IDS, 5)
    with pytest.raises(UserError, match="needed"):
        models.check_promoted(tiny.normed("gemma2", final_logit_softcapping=0.05), "residual", IDS, 5)


def test_a_bias_of_the_unembedding_is_not_promoted():
    model, directions = deepcopy(tiny.normed("llama")), torch.randn(3, tiny.WIDTH, generator=torch.Generator().manual_seed(1))
    before = models.promoted(model, directions)
    model.lm_head.bias = nn.Parameter(torch.randn(tiny.VOCABULARY, generator=torch.Generator().manual_seed(2)))
    torch.testing.assert_close(models.promoted(model, directions), before, rtol=1e-4, atol=1e-4)
