"""A corpus and settings for activations of a tiny model."""

import pandas as pd
import tiny
import torch

from rewardscope.activations import extract as activations
from rewardscope.activations.batches import ALONE, plan
from rewardscope.activations.extract import capture
from rewardscope.activations.moments import total
from rewardscope.models import models

PAD, END = 1, "<|endoftext|>"
SETTINGS = {"at": "mlp", "tokens": 20, "dtype": "float32", "batch_tokens": 64, "shard_tokens": 16}
BACKBONES = {"gpt_neox": "gpt_neox.layers", "llama": "model.layers", "gpt_neo": "transformer.h", "gpt2": "transformer.h"}


def block(kind: str, model, layer: int):
    return model.get_submodule(f"{BACKBONES[kind]}.{layer}")


@torch.no_grad()
def plain(kind: str, model, at: str, ids: list[int]) -> list[torch.Tensor]:
    """Activations `[position, d_model]` of every layer for one unpadded document, by an ordinary forward pass."""
    seen = []
    handles = [block(kind, model, n).mlp.register_forward_hook(lambda _m, _i, out: seen.append(out[0])) for n in range(tiny.LAYERS)]
    states = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    for handle in handles:
        handle.remove()
    # the last hidden state has been through the final norm: test_residual_of_the_last_block undoes that
    return seen if at == "mlp" else [state[0] for state in states[1:]]


def documents(count: int = 4) -> list[list[int]]:
    return tiny.tokenizer()([text[: 20 + 25 * i] for i, text in enumerate(tiny.texts()[:count])])["input_ids"]


def padded(ids: list[list[int]]) -> torch.Tensor:
    longest = max(map(len, ids))
    return torch.tensor([doc + [PAD] * (longest - len(doc)) for doc in ids])


def corpus() -> pd.DataFrame:
    """12 documents: some longer than 20 tokens, one with special tokens inside, one of a single token."""
    texts = [text[:n] for text, n in zip(tiny.texts(), (15, 200, 30, 60, 200, 22, 45, 80, 33, 70), strict=False)]
    texts += [f"a film {END} of the actor {END}", "a"]
    part = ["fit", "held", "fit", "fit", "fit", "held", "fit", "held", "fit", "fit", "fit", "fit"]
    return pd.DataFrame({"text": texts, "part": part})


def extract(model, tokenizer, documents, layers, settings, seed, out, share=ALONE) -> None:
    activations.extract(model, plan(tokenizer, documents, settings, seed, "films"), layers, settings, out, share)


def moments_of(out, picks) -> dict[str, dict[str, torch.Tensor]]:
    return {pick: total(sorted((out / pick / "sums").iterdir())) for pick in picks}


LAYERS = {"top1": 1, "top2": 0, "low1": 0}


def extracted(out, monkeypatch, dies_at=None, shard_tokens=32, share=ALONE):
    """Whether it ended (it may be killed before its n-th batch), and the sizes of the batches that went through the model."""
    model, tokenizer = models.load(tiny.checkpoint("gpt_neox")), models.load_tokenizer(tiny.checkpoint("gpt_neox"))
    settings = {**SETTINGS, "batch_tokens": 20, "shard_tokens": shard_tokens}
    sizes = []

    def counted(model, places, input_ids):
        if len(sizes) + 1 == dies_at:
            raise KeyboardInterrupt
        sizes.append(input_ids.numel())
        return capture(model, places, input_ids)

    monkeypatch.setattr(activations, "capture", counted)
    out.mkdir(exist_ok=True)
    try:
        extract(model, tokenizer, corpus(), LAYERS, settings, 5, out, share)
    except KeyboardInterrupt:
        return False, sizes
    return True, sizes


def content(out) -> dict[str, bytes]:
    """What is there but states."""
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file() and "state" not in str(file.relative_to(out))}
