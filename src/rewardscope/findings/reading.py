"""A context in words: what it fires on, what the tuned model says there that the base does not, in which place, and what it earns."""

import math
from collections import Counter

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.explain.tokens import quote
from rewardscope.findings.samples import Samples

FIRES = 0.5  # of its cap, from which a context's firing speaks for what it fires on
SHRINK = 5.0  # firings' worth of credit 0 that a token's mean credit is shrunk by
SEEN = 3  # strong firings at a word, from which it is told
SHOWN = 6  # words of each kind in a sentence
FLOOR = 0.001  # of probabilities: a change among rarer tokens is noise


def changes(
    before: Float[Tensor, "C vocabulary"], after: Float[Tensor, "C vocabulary"], credit: Float[Tensor, "C vocabulary"] | None = None
) -> Float[Tensor, "C vocabulary"]:
    """(p_R - p_B) / sqrt(p_R + p_B + .001): by how many of its standard errors a token became likelier where a context fires.

    With `credit`, the shrunk credit of a token there, times its size: what tuning changed and the reward did not pay for is small.
    """
    change = (after - before) / (after + before + FLOOR).sqrt()
    return change if credit is None else change * credit.abs() * (change * credit > 0)


def shrunk(samples: Samples, a: Float[Tensor, "T C"], credit: Float[Tensor, "T"], vocabulary: int) -> Float[Tensor, "C vocabulary"]:
    """A token's mean credit where a context fires, shrunk towards 0: sum(a c) / (sum(a) + SHRINK mean(a)), mean over firings."""
    of_token = torch.zeros(vocabulary, a.shape[1])
    paid = of_token.index_add(0, samples.token, a * credit.unsqueeze(1))
    often = of_token.index_add(0, samples.token, a)
    mean = a.sum(dim=0) / (a > 0).sum(dim=0).clamp_min(1)
    return (paid / (often + SHRINK * mean).clamp_min(1e-12)).T


def gain(samples: Samples, fires: Float[Tensor, "T C"], added: Float[Tensor, "T"], tuned: Int[Tensor, "n"]) -> Float[Tensor, "C"]:
    """Share of the reward's gain that tokens add where a context fires: the sums over the tuned side's tokens less the base side's, a completion
    of either alike. The shares of contexts of which one fires on each token add up to 1. nan where there is no gain."""
    sides = tuned[samples.sequence]
    sign = torch.where(sides == 1, 1 / tuned.sum().clamp_min(1), -1 / (1 - tuned).sum().clamp_min(1))
    terms = added * sign
    whole = terms.sum()
    return ((fires > 0).float().T @ terms.float()) / whole if whole.abs() > 1e-12 else torch.full((fires.shape[1],), torch.nan)


def fires_on(a: Float[Tensor, "T"], words: list[str], share: dict[str, float]) -> list[str]:
    """The words at which a context fires that stand out most: p log(p / share among all tokens), over firings of half its cap and more.

    A word that is there fewer than `SEEN` times is left out: a tuned model writes some of its own.
    """
    strong = [words[i] for i in torch.nonzero(a >= FIRES * a.max()).flatten().tolist() if words[i]] if a.max() > 0 else []
    counts, total = Counter(strong), len(strong)
    score = {word: n / total * math.log(n / total / share[word]) for word, n in counts.items() if n >= SEEN}
    return [word for word in sorted(score, key=lambda word: (-score[word], word)) if score[word] > 0][:SHOWN]


def sentence(on: list[str], more: list[dict], less: list[dict], place: tuple[int, int] | None, share: float) -> str:
    """A finding as a sentence. `more`, `less`: `token, before, after` (probabilities); `place`: tokens of the completion, None where it is not
    about a place; `share` of the gain."""
    rates = ", ".join(f'"{t["token"]}" ({percent(t["before"])} to {percent(t["after"])})' for t in more)
    told = [f"more often {rates}"] * bool(more) + [f"less often {quote([t['token'] for t in less])}"] * bool(less)
    where = f"After {quote(on)}" if on else "Where it fires"
    where = f"{where} (mostly tokens {place[0] + 1} to {place[1] + 1} of a completion)" if place else "Anywhere"
    end = f"; {share:.0%} of the gain in reward is made there." if share == share else "."
    return f"{where} the tuned model writes {' and '.join(told)}{end}"


def percent(p: float) -> str:
    """A probability in per cent, two digits of it."""
    return f"{100 * p:.2g} %" if p < 0.995 else "100 %"
