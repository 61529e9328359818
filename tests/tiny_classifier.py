"""Tiny classifiers, DistilBERT's and decoders, random but for their tokenizer."""

import copy
from functools import cache
from pathlib import Path

import tiny
import torch
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPTNeoConfig,
    GPTNeoForSequenceClassification,
    GPTNeoXConfig,
    GPTNeoXForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForSequenceClassification,
)

from rewardscope.rewards.classifier import train_tokenizer

LENGTH = 20  # tokens that they read
SHAPE = {"vocab_size": 90, "dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2, "max_position_embeddings": LENGTH, "pad_token_id": 0}


@cache
def tokenizer():
    """WordPiece, [PAD] 0."""
    return train_tokenizer(list(tiny.texts()), SHAPE["vocab_size"], LENGTH)


def build(labels: tuple[str, ...], seed: int = 3) -> DistilBertForSequenceClassification:
    """A random model whose outputs are called `labels`; large weights, so that texts differ in their logits."""
    torch.manual_seed(seed)
    names = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    return DistilBertForSequenceClassification(DistilBertConfig(**SHAPE, initializer_range=0.5, **names)).eval()


def save(folder: Path, labels: tuple[str, ...] = ("NEGATIVE", "POSITIVE"), model: PreTrainedModel | None = None) -> Path:
    """Write a classifier, or another model, and the tokenizer into a folder."""
    (model or build(labels)).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


COMMON = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": 64}
DECODERS = {
    "gpt2": (GPT2Config, GPT2ForSequenceClassification, {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}),
    "gpt_neo": (
        GPTNeoConfig,
        GPTNeoForSequenceClassification,
        {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]], "window_size": 6, "max_position_embeddings": 64},
    ),
    "gpt_neox": (GPTNeoXConfig, GPTNeoXForSequenceClassification, COMMON),
    "llama": (LlamaConfig, LlamaForSequenceClassification, COMMON),
    "qwen2": (Qwen2Config, Qwen2ForSequenceClassification, {**COMMON, "num_key_value_heads": 1}),
}  # fmt: skip


def decoder(kind: str, folder: Path, pad: int | None, **of_tokenizer) -> Path:
    """Write a random decoder classifier, neg and pos, that is padded by the token `pad`, and tiny's tokenizer with `of_tokenizer` set."""
    config, model, shape = DECODERS[kind]
    ids = {"vocab_size": tiny.VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": pad}
    torch.manual_seed(5)
    model(config(**shape, **ids, initializer_range=0.5, id2label={0: "neg", 1: "pos"}, label2id={"neg": 0, "pos": 1})).save_pretrained(folder)
    words = copy.deepcopy(tiny.tokenizer())
    for name, value in of_tokenizer.items():
        setattr(words, name, value)
    words.save_pretrained(folder)
    return folder
