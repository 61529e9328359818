"""Perplexity against cross-entropy taken directly, and against a model whose perplexity is known."""

import copy
import math
from types import SimpleNamespace

import pytest
import tiny
import torch
from tokenizers.processors import TemplateProcessing
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

from rewardscope.models import models
from rewardscope.models import perplexity as module
from rewardscope.models.perplexity import beginning, compare, perplexity
from rewardscope.models.pretrain import stream
from rewardscope.models.trial import trial
from rewardscope.models.trigram import Trigram


def direct(model, tokens: list[int], length: int) -> float:
    """One window, one token at a time; what is left after the last whole window is not read."""
    total, count = 0.0, 0
    for start in range(0, len(tokens) - length, length):
        window = torch.tensor([tokens[start : start + length]])
        with torch.no_grad():
            probabilities = model(input_ids=window).logits[0].double().softmax(dim=-1)
        for i in range(length):
            total -= math.log(probabilities[i, tokens[start + i + 1]].item())
            count += 1
    return math.exp(total / count)


@pytest.mark.parametrize("size", [49, 50, 64, 65])  # 3 windows of 16 and a target each; or none more; 4 windows
@pytest.mark.parametrize("batch", [2, 32])
def test_of_a_model(size, batch):
    model = models.load(tiny.checkpoint("gpt_neox"))
    tokens = torch.randint(2, 300, (size,), generator=torch.Generator().manual_seed(size))
    found = perplexity(model, tokens, 16, batch)
    assert found == pytest.approx(direct(model, tokens.tolist(), 16), rel=1e-5)
    assert found > 100  # random weights


class Bigram:
    """A model that knows the next token's probabilities from the last token alone."""

    device = torch.device("cpu")

    def __init__(self, probabilities: torch.Tensor):
        self.logits = probabilities.log()

    def __call__(self, input_ids, use_cache):
        return SimpleNamespace(logits=self.logits[input_ids])


def test_by_hand():
    model = Bigram(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]]))
    # predicted: 0>1 0.25, 1>1 0.8, 1>2 0.1, 2>0 0.2
    assert perplexity(model, torch.tensor([0, 1, 1, 2, 0]), 2) == pytest.approx((0.25 * 0.8 * 0.1 * 0.2) ** -0.25, rel=1e-6)
    uniform = Bigram(torch.full((7, 7), 1 / 7))
    assert perplexity(uniform, torch.arange(50) % 7, 8) == pytest.approx(7, rel=1e-6)


@pytest.mark.parametrize("begin", [[1], [1, 0]])
def test_a_beginning_is_read_and_not_predicted(begin):
    """Windows of 16 with it: each predicts as many tokens as it has of the stream, from what stands before them in it."""
    model = models.load(tiny.checkpoint("llama"))
    tokens = torch.randint(2, 300, (50,), generator=torch.Generator().manual_seed(1)).tolist()
    step, losses = 16 - len(begin), []
    for start in range(0, len(tokens) - step, step):
        for i in range(step):
            with torch.no_grad():
                last = model(input_ids=torch.tensor([[*begin, *tokens[start : start + i + 1]]])).logits[0, -1].double()
            losses.append(-last.log_softmax(-1)[tokens[start + i + 1]].item())
    assert len(losses) == 3 * step
    assert perplexity(model, torch.tensor(tokens), 16, 2, begin) == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-5)


@pytest.mark.parametrize("template, begin", [("<|padding|> $A", [1]), ("$A <|padding|>", []), ("$A", [])])
def test_bos_is_read_where_the_tokenizer_sets_it(monkeypatch, template, begin):
    tokenizer = copy.deepcopy(tiny.tokenizer())
    tokenizer.bos_token = "<|padding|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=[("<|padding|>", 1)])
    assert beginning(tokenizer) == begin
    seen = []
    monkeypatch.setattr(module, "perplexity", lambda *of, begin: seen.append(begin) or 1.0)
    compare(models.load(tiny.checkpoint("gpt_neox")), tokenizer, list(tiny.texts()[:30]), list(tiny.texts()[30:]), 16)
    assert seen == [begin]


def test_compare():
    model, tokenizer = models.load(tiny.checkpoint("gpt_neox")), tiny.tokenizer()
    train, test = list(tiny.texts()[:40]), list(tiny.texts()[40:])
    found = compare(model, tokenizer, train, test, 16)
    known, unseen = stream(tokenizer, train), stream(tokenizer, test)
    assert found == {
        "model": perplexity(model, unseen, 16),
        "trigram": Trigram(known.numpy(), 300).perplexity(unseen.numpy()),
        "window": 16,
        "test_tokens": len(unseen),
        "train_tokens": len(known),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    assert found["trigram"] < 60 < found["model"]  # the documents have structure; the model is random


def test_of_a_model_of_texts_and_images():
    """Its config has the vocabulary in a config of its own for texts."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    of_texts = {"num_hidden_layers": 3, "num_key_value_heads": 1, "head_dim": 8, "vocab_size": 300, "pad_token_id": 1, **sizes}
    of_images = {"num_hidden_layers": 1, "image_size": 28, "patch_size": 14, **sizes}
    model = Gemma3ForConditionalGeneration(Gemma3Config(text_config=of_texts, vision_config=of_images, mm_tokens_per_image=4)).eval()
    assert not hasattr(model.config, "vocab_size")
    trial("it", model, "mlp", {})
    train, test = list(tiny.texts()[:40]), list(tiny.texts()[40:])
    found = compare(model, tiny.tokenizer(), train, test, 16)
    assert found["trigram"] == Trigram(stream(tiny.tokenizer(), train).numpy(), 300).perplexity(stream(tiny.tokenizer(), test).numpy())
    assert found["model"] == perplexity(model, stream(tiny.tokenizer(), test), 16)
