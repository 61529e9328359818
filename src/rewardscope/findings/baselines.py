"""Beside contexts: what became more frequent, or likelier, anywhere, with no reward and no dictionary.

- log-odds of the words of both sides' completions (Monroe, Colaresi and Quinn 2008, "Fightin' Words", equations 15, 16 and 22)
- mean logit difference: by how much tuning changed a token's log-probability, over all positions (the idea of Diff Mining)
- its topics: a factorization of these changes into non-negative parts, which are contexts
"""

from collections import Counter
from math import log, sqrt
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.findings.samples import Samples, log_probabilities

PRIOR = 500.0  # words' worth of the prior: the words of both sides
KEPT = 500  # tokens whose changes are factorized, those of the largest sums
STEPS = 30  # of the factorization


class Word(NamedTuple):
    """A word or token that became more frequent: its rates before and after, in how many standard errors, how often it is there."""

    word: str
    before: float
    after: float
    score: float
    count: int


def log_odds(words: list[list[str]], side: Int[Tensor, "n"], kept: int) -> list[Word]:
    """The `kept` words of the largest z of their log-odds, tuned against base, in the completions' `words`."""
    counts = [Counter(word for row, of in zip(words, side.tolist(), strict=True) if of == number for word in row if word) for number in (0, 1)]
    both, totals = counts[0] + counts[1], [sum(of.values()) for of in counts]
    if not all(totals):
        return []

    def z(word: str) -> float:
        prior = PRIOR * both[word] / sum(totals)
        odds = [log((of[word] + prior) / (total + PRIOR - of[word] - prior)) for of, total in zip(counts, totals, strict=True)]
        return (odds[1] - odds[0]) / sqrt(sum(1 / (of[word] + prior) for of in counts))

    scores = {word: z(word) for word in sorted(both) if both[word] < sum(totals)}
    best = sorted((word for word in scores if scores[word] > 0), key=lambda word: -scores[word])[:kept]
    return [Word(word, counts[0][word] / totals[0], counts[1][word] / totals[1], scores[word], both[word]) for word in best]


def logit_difference(base, tuned, samples: Samples, whole: dict[int, str], kept: int) -> list[Word]:
    """The `kept` tokens whose log-probability tuning raised most, in standard errors of its mean over completions, of those whose mean probability
    rose too. `whole`: the word of a token."""
    mean, error, before, after = _changes(base, tuned, samples)
    score = (mean / error.clamp_min(1e-12)).where((mean > 0) & (after > before), torch.tensor(0.0))
    counts = torch.bincount(samples.token, minlength=len(score))
    order = [token for token in score.argsort(descending=True).tolist() if whole.get(token) and score[token] > 0][:kept]
    return [Word(whole[token], before[token].item(), after[token].item(), score[token].item(), int(counts[token])) for token in order]


def _changes(base, tuned, samples: Samples) -> tuple[Float[Tensor, "vocabulary"], ...]:
    """Of each token: the mean change of its log-probability over completions, that mean's standard error, its mean probability before and after."""
    count = len(samples.sequences)
    sums, places, probabilities, done = [], torch.bincount(samples.sequence, minlength=count).float().unsqueeze(1), [0.0, 0.0], 0
    for _, kept, logs in log_probabilities(base, tuned, samples.sequences, samples.prompt):
        n = int(kept.sum())
        at = samples.sequence[done : done + n] - samples.sequence[done]
        change = (logs[1] - logs[0]).cpu()
        sums.append(torch.zeros(int(at[-1]) + 1, change.shape[1]).index_add(0, at, change))
        probabilities = [total + of.exp().sum(dim=0).cpu() for total, of in zip(probabilities, logs, strict=True)]
        done += n
    means = torch.cat(sums) / places
    return means.mean(dim=0), means.std(dim=0) / sqrt(count), *(total / done for total in probabilities)


def topics(base, tuned, samples: Samples, count: int, floor: float, seed: int = 0) -> Float[Tensor, "T C"]:
    """How much of each of `count` non-negative parts of the raised log-probabilities is at each sampled token.

    Changes [tokens, vocabulary], below 0 and of tokens that neither model gives `floor` there put to 0, as W H by multiplicative updates (Lee
    and Seung 2001), of the `KEPT` tokens with the largest sums; W with the rows of H of unit sum.
    """
    raised = []
    for _, _, logs in log_probabilities(base, tuned, samples.sequences, samples.prompt):
        likely = torch.maximum(*logs) >= log(floor)
        raised.append(((logs[1] - logs[0]).relu_() * likely).to_sparse().cpu())
    x = torch.cat(raised)
    columns = torch.sparse.sum(x, dim=0).to_dense().topk(min(KEPT, x.shape[1])).indices
    x = x.index_select(1, columns.sort().values).to_dense()
    generator = torch.Generator().manual_seed(seed)
    size = (x.mean() / count).sqrt()
    w, h = (size * torch.rand(shape, generator=generator).add_(0.5) for shape in ((len(x), count), (count, x.shape[1])))
    for _ in range(STEPS):
        h *= (w.T @ x) / (w.T @ w @ h).clamp_min(1e-9)
        w *= (x @ h.T) / (w @ (h @ h.T)).clamp_min(1e-9)
    return w * h.sum(dim=1)
