"""Tiny checkpoints of four architectures, random but for their tokenizer, and documents to go with them."""

import atexit
import random
import tempfile
from functools import cache
from pathlib import Path

import torch
from transformers import (
    CONFIG_MAPPING,
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from rewardscope.models.pretrain import train_tokenizer

KINDS = ("gpt_neox", "gpt_neo", "gpt2", "llama")
VOCABULARY, LAYERS, WIDTH, CONTEXT = 300, 3, 16, 64
WORDS = (
    "the a this that film movie scene story actor ending was is seems felt good bad great terrible dull lovely "
    "well-made don't never very rather we they everyone somehow with of and because about nothing everything"
).split()

_folder = tempfile.TemporaryDirectory(prefix="rewardscope-tiny-")
atexit.register(_folder.cleanup)


@cache
def texts(count: int = 60, seed: int = 7) -> tuple[str, ...]:
    """`count` different documents of 8 to 24 words."""
    rng = random.Random(seed)
    return tuple(f"{i} " + " ".join(rng.choice(WORDS) for _ in range(rng.randint(8, 24))).capitalize() + "." for i in range(count))


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, `<|endoftext|>` 0 and `<|padding|>` 1."""
    return train_tokenizer(list(texts()), VOCABULARY)


def build(kind: str, vocabulary: int = VOCABULARY, seed: int = 3, spread: float = 0.1) -> PreTrainedModel:
    """A random model; every parameter is moved by `spread` so that no norm weight is 1 and no bias 0."""
    ids = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
    torch.manual_seed(seed)
    if kind == "gpt_neox":
        model = GPTNeoXForCausalLM(
            GPTNeoXConfig(
                hidden_size=WIDTH,
                num_hidden_layers=LAYERS,
                num_attention_heads=2,
                intermediate_size=4 * WIDTH,
                max_position_embeddings=CONTEXT,
                tie_word_embeddings=False,
                **ids,
            )  # fmt: skip
        )
    elif kind == "gpt_neo":
        model = GPTNeoForCausalLM(
            GPTNeoConfig(
                hidden_size=WIDTH,
                num_layers=LAYERS,
                num_heads=2,
                max_position_embeddings=CONTEXT,
                window_size=6,
                attention_types=[[["global", "local", "global"], 1]],
                **ids,
            )  # fmt: skip
        )
    elif kind == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(n_embd=WIDTH, n_layer=LAYERS, n_head=2, n_positions=CONTEXT, **ids))
    else:
        model = LlamaForCausalLM(
            LlamaConfig(
                hidden_size=WIDTH,
                num_hidden_layers=LAYERS,
                num_attention_heads=2,
                num_key_value_heads=1,
                intermediate_size=2 * WIDTH,
                max_position_embeddings=CONTEXT,
                **ids,
            )  # fmt: skip
        )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return model.eval()


ATTENTION = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": CONTEXT}
SIZES: dict[str, dict] = {  # of families that name them in their own way
    "falcon": {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2},
    "bloom": {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": 2},
    "mpt": {"d_model": WIDTH, "n_layers": LAYERS, "n_heads": 2, "max_seq_len": CONTEXT, "expansion_ratio": 2},
    "gptj": {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2, "rotary_dim": 4, "n_positions": CONTEXT},
    "gpt_bigcode": {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2, "n_positions": CONTEXT},
    "opt": {"ffn_dim": 2 * WIDTH, "word_embed_proj_dim": WIDTH, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2},
    "mamba": {"hidden_size": WIDTH, "num_hidden_layers": LAYERS},
    "rwkv": {"hidden_size": WIDTH, "num_hidden_layers": LAYERS},
}


def changed(kind: str, seed: int = 3, **further) -> PreTrainedModel:
    """A random model of any architecture, every parameter far from that of a new one."""
    if kind in KINDS:
        return build(kind, seed=seed)
    sizes = SIZES.get(kind) or {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "intermediate_size": 2 * WIDTH, **ATTENTION}
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[kind](**{"vocab_size": VOCABULARY, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 0, **sizes, **further})
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


LINEAR = {  # every other layer attends linearly
    "layer_types": ["linear_attention", "full_attention", "linear_attention"], "linear_conv_kernel_dim": 2,
    "linear_key_head_dim": 4, "linear_value_head_dim": 4, "linear_num_key_heads": 1, "linear_num_value_heads": 2,
}  # fmt: skip
EXPERTS = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8}
MIXED: dict[str, dict] = {"qwen3_next": {**LINEAR, **EXPERTS}, "qwen3_5_text": LINEAR}


@cache
def normed(kind: str, **further) -> PreTrainedModel:
    """A random model of any architecture, its norms' weights far from those of a new one; not to be changed."""
    if kind in KINDS:
        model = build(kind)
    else:
        sizes = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "intermediate_size": 2 * WIDTH, "vocab_size": VOCABULARY}
        heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": CONTEXT}
        torch.manual_seed(3)
        config = CONFIG_MAPPING[kind](**sizes, **heads, **MIXED.get(kind, {}), pad_token_id=1, bos_token_id=0, eos_token_id=0, **further)
        model = AutoModelForCausalLM.from_config(config).float().eval()
    torch.manual_seed(4)
    with torch.no_grad():
        for module in model.modules():
            if "Norm" in type(module).__name__ and getattr(module, "weight", None) is not None:
                module.weight.normal_(0.3, 0.8)
    return model


@cache
def checkpoint(kind: str) -> Path:
    """The folder of a model and its tokenizer; not to be written to."""
    folder = Path(_folder.name) / kind
    build(kind).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder
