"""Architectures of today, tiny: what is captured as an MLP's output is what the MLP adds, or the family is refused in one line within seconds."""

import time
from copy import deepcopy

import pytest
import tiny
import torch

from rewardscope.activations.extract import capture
from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.models.checkpoints import fetch
from rewardscope.models.trial import trial

READ = (
    "gpt_neox", "gpt2", "gpt_neo", "gptj", "gpt_bigcode", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi", "phi3",
    "olmo", "olmo2", "cohere", "nemotron", "stablelm", "starcoder2", "glm", "glm4", "granite", "smollm3", "falcon", "bloom", "mpt", "mixtral",
)  # fmt: skip
TELL, NO_MLP = "cannot tell its MLP among its children", "is no MLP: what it gives at a token is of the tokens before it too"
REFUSED = {"opt": TELL, "recurrent_gemma": TELL, "jamba": TELL, "mamba": NO_MLP, "rwkv": NO_MLP, "llama4_text": "gives no vector for each token"}
SOON = 20  # seconds in which a model that cannot be read is refused
IDS = torch.randint(2, tiny.VOCABULARY, (2, 12), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def added_by_mlp(model, layer: int) -> torch.Tensor:
    """By the block's own arithmetic: what it gives less what it gives when every number of its MLP is 0."""
    without = deepcopy(model)
    for parameter in models.mlp(models.blocks(without)[layer], tiny.WIDTH).parameters():
        parameter.zero_()
    whole, rest = (capture(m, {layer: models.blocks(m)[layer]}, IDS)[layer] for m in (model, without))
    return whole - rest


@pytest.mark.parametrize("kind", READ)
def test_a_captured_mlp_output_is_what_the_mlp_adds(kind):
    """Two layers at once: a block may change in place what it was given."""
    model = tiny.changed(kind)
    seen = capture(model, models.places(model, [0, 2], "mlp"), IDS)
    for layer, x in seen.items():
        assert x.shape == (2, 12, tiny.WIDTH) and x.abs().max() > 1e-3
        torch.testing.assert_close(x, added_by_mlp(model, layer), rtol=1e-4, atol=1e-5)
    trial("it", model, "mlp", {})
    directions = torch.eye(tiny.WIDTH)[:2]
    assert models.promoted(model, directions).shape == (2, tiny.VOCABULARY)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("kind", REFUSED)
def test_a_family_whose_mlp_cannot_be_read_is_refused(kind):
    model = tiny.changed(kind)
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        trial("it", model, "mlp", {})
    assert time.monotonic() - began < SOON
    assert "\n" not in str(caught.value) and str(caught.value).startswith("it: ")
    assert REFUSED[kind] in str(caught.value) and "set `activations.at: residual`" in str(caught.value)
    if kind != "jamba":  # its cache asks for an attention layer, which three layers do not have
        trial("it", model, "residual", {})


def test_a_model_that_fails_on_a_few_tokens(monkeypatch):
    model = deepcopy(tiny.changed("llama"))
    with pytest.raises(UserError, match="^it: completions.prefix is 65, but the model reads at most 64 tokens; lower it$"):
        trial("it", model, "mlp", {"activations.tokens": 64, "completions.prefix": 65})
    monkeypatch.setattr(type(model), "prepare_inputs_for_generation", lambda self, input_ids, attention_mask=None, **_: 1 / 0)
    with pytest.raises(UserError, match=r"^it: LlamaForCausalLM fails on a few tokens \(ZeroDivisionError: division by zero\); use another model$"):
        trial("it", model, "mlp", {})
    with torch.no_grad():
        models.blocks(model)[1].mlp.down_proj.weight[0, 0] = 3e38
        models.blocks(model)[1].mlp.up_proj.weight *= 1e6
    with pytest.raises(UserError, match="^it: layer 1 gives activations that are not finite; the model is broken: use another$"):
        trial("it", model, "mlp", {})


def test_a_fetched_base_is_tried(tmp_path):
    entry = {"path": str(tiny.checkpoint("gpt2"))}
    fetch(entry, tmp_path / "ours", asks={"at": "mlp", "lengths": {"activations.tokens": 64}})
    with pytest.raises(UserError, match=f"^{entry['path']}: activations.tokens is 99, but the model reads at most 64 tokens; lower it$"):
        fetch(entry, tmp_path / "none", asks={"at": "mlp", "lengths": {"activations.tokens": 99}})
    assert not (tmp_path / "none").exists()
