"""Models read from their module tree: the right modules of four architectures, a clear line for others."""

import pytest
import tiny
import torch
from transformers import BertConfig, BertLMHeadModel, OPTConfig, OPTForCausalLM

from rewardscope.errors import UserError
from rewardscope.models import models

SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def known(kind: str, model):
    """(blocks, final norm) by the names that each architecture gives them."""
    backbone = {"gpt_neox": "gpt_neox", "llama": "model"}.get(kind, "transformer")
    names = {"gpt_neox": ("layers", "final_layer_norm"), "llama": ("layers", "norm")}.get(kind, ("h", "ln_f"))
    return tuple(getattr(getattr(model, backbone), name) for name in names)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_modules_of_an_architecture(kind):
    model = models.load(tiny.checkpoint(kind))
    blocks, norm = known(kind, model)
    assert models.blocks(model) is blocks and len(blocks) == tiny.LAYERS
    assert models.d_model(model) == tiny.WIDTH
    assert all(models.mlp(block, tiny.WIDTH) is block.mlp for block in blocks)
    assert list(models.final_norm(model)) == [norm]


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_load(kind):
    written = tiny.build(kind)
    model = models.load(tiny.checkpoint(kind))
    assert not model.training
    assert {n: p.dtype for n, p in model.named_parameters()} == {n: torch.float32 for n, _ in written.named_parameters()}
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), written.parameters(), strict=True))
    half = models.load(tiny.checkpoint(kind), dtype=torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}


def test_a_half_checkpoint_is_loaded_as_float32(tmp_path):
    tiny.build("gpt_neox").to(torch.bfloat16).save_pretrained(tmp_path)
    assert {p.dtype for p in models.load(tmp_path).parameters()} == {torch.float32}


def test_a_block_without_an_mlp():
    model = OPTForCausalLM(OPTConfig(**SMALL, ffn_dim=32, max_position_embeddings=16, word_embed_proj_dim=16))
    block = models.blocks(model)[0]
    assert block is model.model.decoder.layers[0]
    with pytest.raises(UserError) as caught:
        models.mlp(block, 16)
    assert str(caught.value) == (
        "OPTDecoderLayer: cannot tell its MLP among its children (self_attn, activation_fn, self_attn_layer_norm, fc1, fc2, "
        "final_layer_norm); set `activations.at: residual` to read the residual stream"
    )


@pytest.mark.parametrize("at", ["mlp", "residual"])
def test_a_layer_beyond_the_model(at):
    model = tiny.build("gpt_neox")
    count = len(models.blocks(model))
    with pytest.raises(UserError, match=f"^layer {count}: the model has {count} layers, counted from 0$"):
        models.places(model, [0, count], at)


def test_bert():
    model = BertLMHeadModel(BertConfig(**SMALL, intermediate_size=32, is_decoder=True))
    with pytest.raises(UserError, match=r"^BertLayer: cannot tell its MLP among its children \(attention, intermediate, output\); "):
        models.mlp(models.blocks(model)[0], 16)
    with pytest.raises(UserError, match="^BertLMHeadModel: cannot tell its final norm$"):
        models.final_norm(model)


def test_no_blocks_or_two_lists():
    model = tiny.build("llama")
    model.model.others = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(tiny.LAYERS))
    with pytest.raises(UserError) as caught:
        models.blocks(model)
    assert str(caught.value) == "LlamaForCausalLM: cannot tell its 3 decoder blocks (candidates: layers, others)"
    model = tiny.build("llama")
    model.config.num_hidden_layers = 7
    with pytest.raises(UserError, match=r"cannot tell its 7 decoder blocks \(candidates: none\)$"):
        models.blocks(model)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_promoted(kind):
    """Against differences of the logits, at residuals orthogonal to the direction: the norm's divisor is then known."""
    model = models.load(tiny.checkpoint(kind)).double()
    _, norm = known(kind, model)
    directions = torch.randn(5, tiny.WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = torch.randn(5, tiny.WIDTH, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    centred = kind != "llama"  # a LayerNorm takes the mean away, an RMSNorm does not
    d, r = (t - t.mean(1, keepdim=True) if centred else t for t in (directions, x))
    x = r - d * (r * d).sum(1, keepdim=True) / (d * d).sum(1, keepdim=True)
    divisor = ((x * x).mean(1, keepdim=True) + (d * d).mean(1, keepdim=True)).sqrt()
    with torch.no_grad():
        up, down = (model.get_output_embeddings()(norm(x + sign * directions)) for sign in (1, -1))
    change = (up - down) / 2 * divisor  # per unit of direction, before the division
    change = change - change.mean(1, keepdim=True)
    found = models.promoted(model, directions)
    torch.testing.assert_close(found, change.float(), rtol=2e-5, atol=2e-5)
    assert found.shape == (5, tiny.VOCABULARY) and found.dtype == torch.float32


def test_promoted_by_hand():
    """logits = W_U (gamma * (d - mean d)), their mean removed, on numbers that can be followed."""
    model = tiny.build("gpt2")
    gamma = torch.full((tiny.WIDTH,), 1.0)
    gamma[0], gamma[1] = 3.0, 5.0
    model.transformer.ln_f.weight.data = gamma
    unembedding = torch.zeros(tiny.VOCABULARY, tiny.WIDTH)
    unembedding[7, 0], unembedding[8, 1] = 1.0, 2.0
    model.lm_head.weight.data = unembedding
    direction = torch.zeros(1, tiny.WIDTH)
    direction[0, 0] = 16.0  # minus its mean: 15 in place 0, -1 elsewhere
    logits = models.promoted(model, direction)[0]
    mean = (3 * 15 - 5 * 2) / tiny.VOCABULARY
    assert logits[7].item() == pytest.approx(45 - mean, rel=1e-5)
    assert logits[8].item() == pytest.approx(-10 - mean, rel=1e-5)
    assert logits[9].item() == pytest.approx(-mean, rel=1e-5)


def test_token_text():
    tokenizer = models.load_tokenizer(tiny.checkpoint("gpt2"))
    ids = tokenizer("the film .")["input_ids"]
    assert "".join(models.token_text(tokenizer, i) for i in ids) == "the film ."
