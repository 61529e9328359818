"""Is the base model worth opening? Its perplexity on unseen text against a trigram model's."""

import math

import torch
from jaxtyping import Int
from torch import Tensor

from rewardscope.models.pretrain import stream
from rewardscope.models.trigram import Trigram


@torch.no_grad()
def perplexity(model, tokens: Int[Tensor, "tokens"], length: int, batch: int = 32) -> float:
    """Per token, of a stream read in windows of `length`, each token predicted once."""
    count = (len(tokens) - 1) // length
    inputs = tokens[: count * length].view(count, length)
    targets = tokens[1 : count * length + 1].view(count, length)
    total = 0.0
    for i in range(0, count, batch):
        logits = model(input_ids=inputs[i : i + batch].to(model.device), use_cache=False).logits.float()
        total += torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets[i : i + batch].flatten().to(model.device), reduction="sum").item()
    return math.exp(total / targets.numel())


DOCUMENTS = 500  # test documents that are enough to tell two models apart


def compare(model, tokenizer, train: list[str], test: list[str], length: int) -> dict:
    """Perplexity per token on `test` of the model and of a trigram model fitted to `train`, and what they saw."""
    known, unseen = stream(tokenizer, train), stream(tokenizer, test[:DOCUMENTS])
    return {
        "model": perplexity(model, unseen, length),
        "trigram": Trigram(known.numpy(), model.config.vocab_size).perplexity(unseen.numpy()),
        "window": length,
        "test_tokens": len(unseen),
        "train_tokens": len(known),
        "parameters": model.num_parameters(),
    }
