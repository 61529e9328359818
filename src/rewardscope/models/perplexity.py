"""Is the base model worth opening? Its perplexity on unseen text against a trigram model's."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from rewardscope.models import weights
from rewardscope.models.pretrain import stream
from rewardscope.models.trigram import Trigram


@torch.no_grad()
def perplexity(model, tokens: Int[Tensor, "tokens"], length: int, batch: int = 32, begin: Sequence[int] = ()) -> float:
    """Per token, of a stream read in windows of `length`, each token predicted once; each window has the tokens `begin` among its own, in front."""
    step = length - len(begin)
    count = (len(tokens) - 1) // step
    inputs = tokens[: count * step].view(count, step)
    targets = tokens[1 : count * step + 1].view(count, step)
    total, device = 0.0, weights.device(model)
    for i in range(0, count, batch):
        some = inputs[i : i + batch]
        windows = torch.cat([torch.tensor(begin, dtype=some.dtype).expand(len(some), -1), some], dim=1)
        logits = model(input_ids=windows.to(device), use_cache=False).logits[:, len(begin) :].float()
        total += torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets[i : i + batch].flatten().to(device), reduction="sum").item()
    return math.exp(total / targets.numel())


def beginning(tokenizer) -> list[int]:
    """BOS, where the tokenizer puts it in front of a text: models such as Gemma, trained so, are lost without it."""
    first = tokenizer("a")["input_ids"][:1]
    return first if first == [tokenizer.bos_token_id] else []


DOCUMENTS = 500  # test documents that are enough to tell two models apart


def compare(model, tokenizer, train: list[str], test: list[str], length: int) -> dict:
    """Perplexity per token on `test` of the model, with `beginning`, and of a trigram model fitted to `train`, and what they saw."""
    known, unseen = stream(tokenizer, train), stream(tokenizer, test[:DOCUMENTS])
    return {
        "model": perplexity(model, unseen, length, begin=beginning(tokenizer)),
        "trigram": Trigram(known.numpy(), model.get_input_embeddings().num_embeddings).perplexity(unseen.numpy()),
        "window": length,
        "test_tokens": len(unseen),
        "train_tokens": len(known),
        "parameters": model.num_parameters(),
    }
