"""Findings of one run: contexts in the order of their score, read into sentences, beside what other contexts give on the same budget.

Two modes. `with the reward` asks where tuning made likelier what the reward pays for; `two checkpoints` knows no reward and asks where
tuning changed most. Every kind of context goes through the same score and the same reading, so that what a dictionary adds can be seen.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.data.words import spans
from rewardscope.errors import UserError, brief
from rewardscope.explain.tokens import word_before, words_at
from rewardscope.findings import contexts, reading, score
from rewardscope.findings.samples import Samples, added, distributions, scaled
from rewardscope.rewards.rewards import NOT_GIVEN, Reward
from rewardscope.sae.model import SAE

MODES = ("with the reward", "two checkpoints")
KINDS = ("features", "random directions", "last words", "tokens", "activation difference")
POOL = 3  # times as many candidates are read as are kept: one that says what another says is counted there
COLUMNS = [
    "mode", "contexts", "pick", "layer", "seed", "context", "rank", "score", "firings", "gain", "alike", "fires_on", "more", "less", "first",
    "last", "examples", "sentence",
]  # fmt: skip
EXAMPLES = 3


class Place(NamedTuple):
    """What is known of a layer: its dictionaries, and random directions with its activations' covariance."""

    pick: str
    layer: int
    saes: dict[int, SAE]
    """by SAE seed, stacks of 1"""
    random: Float[Tensor, "C d_model"]


class Family(NamedTuple):
    """Contexts of one kind, capped; `names` are their numbers or words."""

    kind: str
    pick: str
    layer: int
    seed: int
    names: list
    a: Float[Tensor, "T C"]


def find(
    base, tuned, samples: Samples, side: Int[Tensor, "n"], pieces: list[list[str]], places: list[Place], credit: Float[Tensor, "T"] | None,
    gained: Float[Tensor, "T"], kept: int,
) -> pd.DataFrame:  # fmt: skip
    """The `kept` best contexts of each kind in each mode, a row each (`COLUMNS`).

    `side`: 1 for the tuned model's completions, 0 for the base's. `pieces`: the text of each token of each sequence. `gained`: what each
    token added to the reward, `credit` the same, scaled; without it there is no list with the reward. Raises UserError where both
    models' completions are the same.
    """
    if samples.kl.max() < 1e-6:
        raise UserError("both models say the same of every token: there is nothing to find; is the tuned checkpoint the base's own?")
    words = _words(pieces)
    here, before = _at(samples, words)
    families = list(_families(samples, side, places, before))
    known = torch.zeros(len(samples.token)) if credit is None else credit
    lists = []  # a mode, a family, and the numbers of its contexts from the best on
    for mode in MODES if credit is not None else MODES[1:]:
        for family in families:
            scores = score.with_reward(family.a, samples.change, known) if mode == MODES[0] else score.without_reward(family.a, samples.kl)
            order = [i for i in scores.nan_to_num(-1.0).argsort(descending=True).tolist() if scores[i] > 0][: POOL * kept]
            lists.append((mode, family, order, scores[order]))
    probabilities = distributions(base, tuned, samples, torch.cat([family.a[:, order] for _, family, order, _ in lists], dim=1))
    told, rows, done = Telling(samples, side, pieces, words, here, known, gained), [], 0
    for mode, family, order, scores in lists:
        p_base, p_tuned = (p[done : done + len(order)] for p in probabilities)
        done, a = done + len(order), family.a[:, order]
        paid = reading.shrunk(samples, a, known, p_base.shape[1]) if mode == MODES[0] else None
        words_of = [[family.names[i]] for i in order] if family.kind == KINDS[2] else None
        read = told.rows(a, scores, reading.changes(p_base, p_tuned, paid), p_base, p_tuned, words_of)
        rows += [{"mode": mode, **_of(family, order[i]), "rank": rank, **row} for rank, (i, row) in enumerate(_distinct(read, kept), start=1)]
    return pd.DataFrame(rows, columns=COLUMNS)


def credits(samples: Samples, reward: Reward | None, tokenizer, reward_on: str) -> tuple[Float[Tensor, "T"], Float[Tensor, "T"] | None, str]:
    """What each token added to the reward, the same scaled (None where there is none), and why there is none, in words."""
    if reward is None:
        return torch.full((len(samples.token),), torch.nan), None, NOT_GIVEN
    try:
        gained = added(samples, reward, tokenizer, reward_on)
    except Exception as error:  # a reward is anyone's code
        problem = f"the reward cannot be asked of the beginnings of completions ({brief(error)})"
        return torch.full((len(samples.token),), torch.nan), None, problem
    if not torch.isfinite(gained).all():
        return gained, None, "the reward of some beginnings of completions is not a finite number"
    if gained.std(correction=0) < 1e-12:
        return gained, None, "the reward is the same whatever a completion says"
    return gained, scaled(gained), ""


def facts(samples: Samples, side: Int[Tensor, "n"], gained: Float[Tensor, "T"], problem: str) -> dict:
    """What is known of the completions as a whole: how many, tokens, mean KL a token, the reward that a completion's tokens add on either side."""
    of_side = side[samples.sequence]
    sums = [gained[of_side == n].sum().item() / max(1, int((side == n).sum())) for n in (0, 1)]
    return {
        "completions": {"base": int((side == 0).sum()), "rlhf": int((side == 1).sum())},
        "tokens": len(samples.token),
        "kl": samples.kl.mean().item(),
        "added": {name: value if value == value else None for name, value in zip(("base", "rlhf"), sums, strict=True)},
        "problem": problem,
    }


def _families(samples: Samples, side: Int[Tensor, "n"], places: list[Place], before: list[str]) -> Iterator[Family]:
    for place in places:
        rows = samples.rows[place.layer]
        rates = []
        for seed, sae in place.saes.items():
            a = contexts.features(sae, rows)
            rates.append((a > 0).float().mean(dim=0))
            yield Family(KINDS[0], place.pick, place.layer, seed, list(range(a.shape[1])), score.capped(a))
        a = contexts.directions(rows, place.random, rates[0][: len(place.random)])
        yield Family(KINDS[1], place.pick, place.layer, 0, list(range(a.shape[1])), score.capped(a))
        both = contexts.difference(samples, rows, side)
        a = contexts.directions(rows, both, torch.tensor([0.5]))
        yield Family(KINDS[4], place.pick, place.layer, 0, [0], score.capped(a))
    for kind, (names, a) in ((KINDS[2], contexts.last_words(before)), (KINDS[3], contexts.tokens(samples))):
        often = (a > 0).sum(dim=0) >= score.FIRINGS
        yield Family(kind, "", -1, 0, [name for name, kept in zip(names, often.tolist(), strict=True) if kept], a[:, often])


def _of(family: Family, i: int) -> dict:
    return {"contexts": family.kind, "pick": family.pick, "layer": family.layer, "seed": family.seed, "context": str(family.names[i])}


def _distinct(read: list[dict], kept: int) -> Iterator[tuple[int, dict]]:
    """The first `kept` that say different things; `alike`: how many of the pool say what one says."""
    chosen: list[tuple[int, dict, set[str]]] = []
    for i, row in enumerate(read):
        says = {token["token"] for token in row["more"]}
        same = next((other for _, other, said in chosen if score.same(says, said)), None)
        if same:
            same["alike"] += 1
        elif says or row["less"]:
            chosen.append((i, row, says))
    yield from ((i, row) for i, row, _ in chosen[:kept])


class Telling:
    """What all readings of one run share."""

    def __init__(self, samples: Samples, side, pieces: list[list[str]], words: list[list[str]], here: list[str], credit, gained):
        self.samples, self.side, self.pieces, self.here, self.gained = samples, side, pieces, here, gained
        self.weight = (samples.change * credit).abs() if credit.any() else samples.kl
        often = Counter(word for word in here if word)
        self.share = {word: n / sum(often.values()) for word, n in often.items()}
        self.whole = _most_frequent(samples, words)

    def rows(self, a, scores, changes, before, after, on: list[list[str]] | None) -> list[dict]:
        """A reading of each context, its columns of `COLUMNS` from `score` on; `on` where it is known which words it fires on."""
        gain = reading.gain(self.samples, a, self.gained, self.side).tolist()
        on = on or [reading.fires_on(column, self.here, self.share) for column in a.T]
        return [self._row(a[:, i], scores[i].item(), gain[i], changes[i], before[i], after[i], on[i]) for i in range(a.shape[1])]

    def _row(self, a, value: float, gain: float, change, before, after, on: list[str]) -> dict:
        fired = torch.nonzero(a > 0).flatten()
        places = self.samples.place[fired].numpy()
        first, last = (int(np.quantile(places, q)) for q in (0.25, 0.75))
        more, less = (self._tokens(sign * change, before, after, sign) for sign in (1, -1))
        best = fired[(a * self.weight)[fired].argsort(descending=True)].tolist()
        return {
            "score": value, "firings": len(fired), "gain": gain, "alike": 0, "fires_on": on, "more": more, "less": less, "first": first,
            "last": last, "examples": [self._example(t) for t in _first_of_each(best, self.samples.sequence)[:EXAMPLES]],
            "sentence": reading.sentence(on, more, less, (first, last), gain),
        }  # fmt: skip

    def _tokens(self, change, before, after, sign: int) -> list[dict]:
        found: dict[str, dict] = {}
        for token in change.argsort(descending=True)[: 4 * reading.SHOWN].tolist():
            text = self.whole.get(token, "")
            if change[token] > 0 and text and text not in found and sign * (after[token] - before[token]) > reading.FLOOR:
                found[text] = {"token": text, "before": before[token].item(), "after": after[token].item()}
        return list(found.values())[: reading.SHOWN]

    def _example(self, t: int) -> str:
        i, at = int(self.samples.sequence[t]), self.samples.prompt + int(self.samples.place[t])
        row = self.pieces[i]
        return f"{''.join(row[:at])}«{row[at]}»{''.join(row[at + 1 :])}"


def _words(pieces: list[list[str]]) -> list[list[str]]:
    """For every token of every sequence the word that it is or is part of; empty for punctuation."""
    found = []
    for row in pieces:
        ends = np.cumsum([0, *map(len, row)]).tolist()
        found.append(words_at(list(zip(ends, ends[1:], strict=False)), spans("".join(row))))
    return found


def _at(samples: Samples, words: list[list[str]]) -> tuple[list[str], list[str]]:
    """For every sampled token: the word at the position that predicted it, and the last whole word before its own."""
    places = [(words[i], samples.prompt + j) for i, j in zip(samples.sequence.tolist(), samples.place.tolist(), strict=True)]
    return [row[at - 1] for row, at in places], [word_before(row, at) for row, at in places]


def _most_frequent(samples: Samples, words: list[list[str]]) -> dict[int, str]:
    """Of each sampled token the word that it was part of most often; its own text is often a piece of one."""
    counts: dict[int, Counter[str]] = {}
    for token, i, j in zip(samples.token.tolist(), samples.sequence.tolist(), samples.place.tolist(), strict=True):
        counts.setdefault(token, Counter())[words[i][samples.prompt + j]] += 1
    return {token: of.most_common(1)[0][0] for token, of in counts.items()}


def _first_of_each(tokens: list[int], sequence: Int[Tensor, "T"]) -> list[int]:
    """The first token of every sequence, in their order."""
    return list({int(sequence[t]): t for t in reversed(tokens)}.values())[::-1]
