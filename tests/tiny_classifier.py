"""Tiny DistilBERT classifiers, random but for their tokenizer."""

from functools import cache
from pathlib import Path

import tiny
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedModel

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
