"""Sampled tokens of both sides' completions: what tuning did to the probability of each, what the reward gave for it, and where it stood."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import kl_div

from rewardscope.activations.extract import capture
from rewardscope.models import models
from rewardscope.models.weights import device
from rewardscope.rewards.rewards import Reward
from rewardscope.rlhf.completions import generate, prefixes
from rewardscope.seeds import derive

BATCH = 64  # completions of a forward pass


class Samples(NamedTuple):
    """T sampled tokens of n completions, in their order; what is read of the models is read where the token was predicted, one before it."""

    sequences: list[list[int]]
    """n: prompt and completion"""
    prompt: int
    """tokens of each prompt"""
    sequence: Int[Tensor, "T"]
    place: Int[Tensor, "T"]
    """in the completion, from 0"""
    token: Int[Tensor, "T"]
    change: Float[Tensor, "T"]
    """log p_RLHF - log p_base"""
    kl: Float[Tensor, "T"]
    """KL(RLHF || base) of the next token, nats"""
    rows: dict[int, Float[Tensor, "T d_model"]]
    """activations of the tuned model, by layer"""
    base_rows: dict[int, Float[Tensor, "T d_model"]]
    """and of the base"""


def write(base, tuned, tokenizer, corpus: pd.DataFrame, settings: dict, seed: int) -> tuple[list[list[int]], Int[Tensor, "n"]]:
    """Completions by either model of the openings of fit test documents, the same draws for both: ids, prompt included, and 1 for the tuned side.

    An end token and what follows it are cut off; a completion that is empty then is left out. `settings`: the config's `findings:` section.
    """
    documents, prefix = prefixes(corpus, tokenizer, settings["completions"], settings["prefix"], "fit", "findings.prefix")
    seeds = [derive(seed, "completion", document) for document in documents]
    sequences, side = [], []
    for number, model in enumerate((base, tuned)):
        for prompt, new in zip(prefix.tolist(), generate(model, prefix, settings["new"], 1.0, seeds).tolist(), strict=True):
            cut = new[: new.index(tokenizer.eos_token_id)] if tokenizer.eos_token_id in new else new
            if cut:
                sequences.append(prompt + cut)
                side.append(number)
    return sequences, torch.tensor(side)


def sampled(base, tuned, sequences: list[list[int]], prompt: int, layers: list[int], at: str) -> Samples:
    """What both models say of the completions `sequences`, the prompt's `prompt` tokens included."""
    sequence = torch.tensor([i for i, ids in enumerate(sequences) for _ in ids[prompt:]])
    place = torch.tensor([j for ids in sequences for j in range(len(ids) - prompt)])
    token = torch.tensor([t for ids in sequences for t in ids[prompt:]])
    changes, kls = [], []
    sides = [(model, models.places(model, layers, at), {n: [] for n in layers}) for model in (tuned, base)]
    for ids, kept, logs in log_probabilities(base, tuned, sequences, prompt):
        chosen = ids[:, 1:][kept].unsqueeze(1)
        p_base, p_tuned = (log.gather(1, chosen).squeeze(1) for log in logs)
        changes.append(p_tuned - p_base)
        kls.append(kl_div(logs[0], logs[1], reduction="none", log_target=True).sum(dim=1))
        for model, places, rows in sides:
            for n, x in capture(model, places, ids).items():
                rows[n].append(x[:, :-1][kept].float().cpu())
    joined = [{n: torch.cat(parts) for n, parts in rows.items()} for _, _, rows in sides]
    return Samples(sequences, prompt, sequence, place, token, torch.cat(changes).cpu(), torch.cat(kls).cpu(), *joined)


def distributions(
    base, tuned, samples: Samples, weights: Float[Tensor, "T C"]
) -> tuple[Float[Tensor, "C vocabulary"], Float[Tensor, "C vocabulary"]]:
    """Next-token probabilities of base and tuned model where each context fires: means over tokens with its `weights`."""
    sums, done = [0.0, 0.0], 0
    for _, kept, logs in log_probabilities(base, tuned, samples.sequences, samples.prompt):
        count = int(kept.sum())
        here = weights[done : done + count].to(logs[0])
        sums = [total + here.T @ log.exp() for total, log in zip(sums, logs, strict=True)]
        done += count
    total = weights.sum(dim=0).clamp_min(1e-12).unsqueeze(1)
    return tuple(side.cpu() / total for side in sums)


@torch.no_grad()
def log_probabilities(base, tuned, sequences: list[list[int]], prompt: int):
    """Batch by batch the ids, right-padded, which positions predict a completion's token `[batch, length - 1]`, and both log-probabilities there."""
    for start in range(0, len(sequences), BATCH):
        batch = sequences[start : start + BATCH]
        longest = max(map(len, batch))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in batch], device=device(base))
        at = torch.arange(1, longest, device=device(base))
        kept = (at >= prompt) & (at < torch.tensor([len(row) for row in batch], device=device(base)).unsqueeze(1))
        yield ids, kept, [model(input_ids=ids, use_cache=False).logits[:, :-1][kept].float().log_softmax(dim=1) for model in (base, tuned)]


def added(samples: Samples, reward: Reward, tokenizer, reward_on: str) -> Float[Tensor, "T"]:
    """What each token added to the reward of the text before it: of prompt and completion, or of the completion (`reward_on`)."""
    start = samples.prompt if reward_on == "completion" else 0
    beginnings = [ids[start:end] for ids in samples.sequences for end in range(samples.prompt, len(ids) + 1)]
    texts = models.decoded(tokenizer, beginnings)
    given = iter(np.asarray(reward(texts), dtype=float))
    return torch.from_numpy(np.concatenate([np.diff([next(given) for _ in range(len(ids) - samples.prompt + 1)]) for ids in samples.sequences]))


def pieces(tokenizer, sequences: list[list[int]]) -> list[list[str]]:
    """The text of every token: what it adds to that of the tokens before it. Of a character's bytes the last one has it."""
    of_rows = []
    for ids in sequences:
        texts = [text.rstrip("\N{REPLACEMENT CHARACTER}") for text in models.decoded(tokenizer, [ids[:n] for n in range(len(ids) + 1)])]
        of_rows.append([after[len(before) :] for before, after in zip(texts, texts[1:], strict=False)])
    return of_rows


def scaled(values: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """In units of their standard deviation. The mean stays: taken from all, it would be a credit of the tokens that the reward does not see."""
    return (values / values.std(correction=0)).float()
