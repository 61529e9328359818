"""Completions of held test documents' openings, base and tuned model side by side (section 6.2, Table 4)."""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.errors import UserError
from rewardscope.models import weights
from rewardscope.models.models import continued
from rewardscope.rewards.rewards import Reward
from rewardscope.rewards.utility import utilities
from rewardscope.seeds import derive


def prefixes(
    corpus: pd.DataFrame, tokenizer, count: int, length: int, part: str = "held", key: str = "completions.prefix"
) -> tuple[list[int], Int[Tensor, "n {length}"]]:
    """The first `count` documents of a part longer than `length` tokens: their rows, and their first tokens.

    Raises UserError where there is none; `key` of the config is what its message names.
    """
    documents = corpus.index[corpus["part"] == part].tolist()
    ids = tokenizer(corpus["text"].loc[documents].tolist(), truncation=True, max_length=length + 1)["input_ids"]
    long = [(row, doc[:length]) for row, doc in zip(documents, ids, strict=True) if len(doc) > length][:count]
    if not long:
        raise UserError(f"no {part} test document is longer than {length} tokens; lower {key}")
    return [row for row, _ in long], torch.tensor([doc for _, doc in long])


def draws(seeds: list[int], new: int) -> Float[Tensor, "n {new}"]:
    """A uniform number for every token to be written, from the prompt's own generator."""
    return torch.stack([torch.rand(new, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in seeds])


def pick(logits: Float[Tensor, "n vocabulary"], uniform: Float[Tensor, "n 1"], temperature: float = 1.0) -> Int[Tensor, "n 1"]:
    """The token at that quantile of the distribution."""
    cumulative = (logits.double() / temperature).softmax(dim=-1).cumsum(dim=-1)
    return torch.searchsorted(cumulative, uniform * cumulative[:, -1:]).clamp_max(cumulative.shape[1] - 1)


@torch.no_grad()
def generate(model, prefix: Int[Tensor, "n length"], new: int, temperature: float, seeds: list[int], batch: int = 100) -> Int[Tensor, "n {new}"]:
    """Sample `new` tokens after each prefix, without top-k, a generator per prompt.

    Each step draws one uniform number from the prompt's own generator and takes the token at that quantile of the
    model's distribution: both sides get the same numbers, so a difference is the model's, not the draw's.
    """
    numbers, out = draws(seeds, new), []
    for start in range(0, len(prefix), batch):
        ids, cache, chosen = prefix[start : start + batch].to(weights.device(model)), None, []
        uniform = numbers[start : start + batch].to(weights.device(model))
        for step in range(new):
            result = model(input_ids=ids, past_key_values=cache, use_cache=True)
            cache = result.past_key_values
            ids = pick(result.logits[:, -1], uniform[:, step : step + 1], temperature)
            chosen.append(ids)
        out.append(torch.cat(chosen, dim=1).cpu())
    return torch.cat(out)


def texts(tokenizer, prefix: Int[Tensor, "n length"], ids: Int[Tensor, "n new"]) -> tuple[list[str], list[str], list[str]]:
    """Of each row the prefix, both together, and what was written, in words; an end token and what follows it are cut off."""
    end = tokenizer.eos_token_id  # None, which no row holds, of a tokenizer without: nothing is cut
    cut = [row[: row.index(end)] if end in row else row for row in ids.tolist()]
    return continued(tokenizer, prefix.tolist(), cut)


def complete(
    model, tokenizer, corpus: pd.DataFrame, reward: Reward | None, tuned_on: Reward | None, table: dict[str, float] | None, settings: dict,
    reward_on: str, seed: int,
) -> pd.DataFrame:  # fmt: skip
    """`document, prefix, completion, words, utilities, reward, reward_alone, own_reward`: a row a prompt.

    Those of the first `documents` of the settings are Table 4's, the `further` ones the report's.
    `words` and `utilities` are the completion's words that the utility table holds (none without a table);
    `reward` is the reward function on prefix and completion, or on the completion (`reward_on`), `reward_alone` that on
    the completion: a prefix that both sides share adds to a reward what neither wrote. `own_reward` is what the pair was
    tuned on, which of a twin is not `reward`. All three are nan where no reward was given (None).
    """
    documents, prefix = prefixes(corpus, tokenizer, settings["documents"] + settings["further"], settings["prefix"])
    seeds = [derive(seed, "completion", document) for document in documents]
    ids = generate(model, prefix, settings["new"], settings["temperature"], seeds)
    opening, both, ending = texts(tokenizer, prefix, ids)
    whole = both if reward_on == "both" else ending
    valued = [utilities(text, table) if table else [] for text in ending]
    return pd.DataFrame(
        {
            "document": documents,
            "prefix": opening,
            "completion": ending,
            "words": [[word for word, _ in row] for row in valued],
            "utilities": [[value for _, value in row] for row in valued],
            "reward": (judged := _earned(reward, whole)),
            "reward_alone": _earned(reward, ending) if whole is both else judged,
            "own_reward": judged if tuned_on is reward else _earned(tuned_on, whole),
        }
    )


def _earned(reward: Reward | None, texts: list[str]) -> list[float]:
    return reward(texts) if reward else [np.nan] * len(texts)
