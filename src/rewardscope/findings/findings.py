"""Findings of one run: contexts in the order of their score, read into sentences, beside what other contexts give on the same budget.

Two modes. `with the reward` asks where tuning made likelier what the reward pays for; `two checkpoints` knows no reward and asks where
tuning changed most. Every kind of context goes through the same score and the same reading, so that what a dictionary adds can be seen.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.errors import UserError, brief
from rewardscope.findings import baselines, reading, score
from rewardscope.findings.families import Family, Place, families
from rewardscope.findings.kinds import FEATURES, LAST_WORDS, LOG_ODDS, LOGITS, NOT_GIVEN, TOPICS, WITH, WITHOUT
from rewardscope.findings.samples import Samples, added, distributions, scaled
from rewardscope.findings.telling import Telling
from rewardscope.rewards.rewards import Reward
from rewardscope.stats import welch

POOL = 3  # times as many candidates are read as are kept: one that says what another says is counted there
COLUMNS = [
    "mode", "contexts", "pick", "layer", "seed", "context", "rank", "score", "firings", "gain", "alike", "fires_on", "more", "less", "first",
    "last", "examples", "sentence",
]  # fmt: skip
CHANGES = ["pick", "seed", "feature", "firings", "token", "p_base", "p_tuned"]
Weighted = Callable[[Float[Tensor, "T C"]], tuple[Float[Tensor, "C vocabulary"], Float[Tensor, "C vocabulary"]]]
"""weights of tokens -> mean next-token probabilities of base and tuned model"""


class Run:
    """Both models' completions, and every context of them; a reward comes when findings are asked for."""

    def __init__(self, base, tuned, samples: Samples, side: Int[Tensor, "n"], pieces: list[list[str]], places: list[Place]):
        """`side`: 1 for the tuned model's completions, 0 for the base's. `pieces`: the text of each token of each sequence.

        Raises UserError where both models say the same.
        """
        if samples.kl.max() < 1e-6:
            raise UserError("both models say the same of every token: there is nothing to find; is the tuned checkpoint the base's own?")
        self.models, self.samples, self.side = (base, tuned), samples, side
        self.telling = Telling(samples, side, pieces)
        self.families = list(families(samples, side, places, self.telling.before))
        self.distributions: Weighted = partial(distributions, base, tuned, samples)

    def with_reward(self, credit: Float[Tensor, "T"], gained: Float[Tensor, "T"], kept: int, least: float = 0.0) -> list[dict]:
        """The `kept` best contexts of each kind by the reward's `credit`, of a score above `least`.

        `gained`: what each token added to the reward, `credit` the same, scaled.
        """
        lists = [(family, score.with_reward(family.a, self.samples.change, credit)) for family in self.families]
        return self._rows(WITH, lists, credit, gained, (self.samples.change * credit).abs(), kept, least)

    def without_reward(self, gained: Float[Tensor, "T"], kept: int) -> list[dict]:
        """The `kept` best by what tuning changed, and beside them what needs no contexts. `gained` is told, and chooses nothing."""
        a = score.capped(baselines.topics(*self.models, self.samples, kept, reading.FLOOR))
        topics = Family(TOPICS, "", -1, 0, list(range(a.shape[1])), a)
        lists = [(family, score.without_reward(family.a, self.samples.kl)) for family in (*self.families, topics)]
        rows = self._rows(WITHOUT, lists, None, gained, self.samples.kl, kept)
        words = [row[self.samples.prompt :] for row in self.telling.words]
        by_kind = {
            LOGITS: baselines.logit_difference(*self.models, self.samples, self.telling.whole, kept),
            LOG_ODDS: baselines.log_odds(words, self.side, kept),
        }
        last = int(self.samples.place.max())
        return rows + [_of_word(kind, rank, one, last) for kind, readings in by_kind.items() for rank, one in enumerate(readings, start=1)]

    def _rows(self, mode: str, lists: list[tuple[Family, Tensor]], credit, gained, weight, kept: int, least: float = 0.0) -> list[dict]:
        chosen = []  # a family, the numbers of its contexts from the best on, their scores
        for family, scores in lists:
            order = [i for i in scores.nan_to_num(-1.0).argsort(descending=True).tolist() if scores[i] > least][: POOL * kept]
            chosen.append((family, order, scores[order]))
        probabilities = self.distributions(torch.cat([family.a[:, order] for family, order, _ in chosen], dim=1))
        rows, done = [], 0
        for family, order, scores in chosen:
            before, after = (p[done : done + len(order)] for p in probabilities)
            done, a = done + len(order), family.a[:, order]
            paid = None if credit is None else reading.shrunk(self.samples, a, credit, before.shape[1])
            on = [[family.names[i]] for i in order] if family.kind == LAST_WORDS else None
            read = self.telling.rows(a, scores, reading.changes(before, after, paid), before, after, gained, weight, on)
            rows += [{"mode": mode, **_of(family, order[i]), "rank": rank, **row} for rank, (i, row) in enumerate(_distinct(read, kept), start=1)]
        return rows


def changed(run: Run, ranked: dict[tuple[str, int], list[int]]) -> pd.DataFrame:
    """What tuning changed where features fire, paid for or not: a row (`CHANGES`) a token of each of the features `ranked` by pick and SAE seed.

    `p_base`, `p_tuned`: mean next-token probabilities over the sampled tokens, weighted by the feature's capped activation. Features that fire on
    fewer than `FIRINGS` of them are left out.
    """
    chosen, a = [], []
    for family in (family for family in run.families if family.kind == FEATURES):
        kept = [i for i in ranked.get((family.pick, family.seed), ()) if (family.a[:, i] > 0).sum() >= score.FIRINGS]
        chosen += [(family, i) for i in kept]
        a.append(family.a[:, kept])
    if not chosen:
        return pd.DataFrame(columns=CHANGES)
    weights = torch.cat(a, dim=1)
    rows, probabilities = [], run.distributions(weights)
    for (family, i), fires, change, before, after in zip(chosen, weights.T, reading.changes(*probabilities), *probabilities, strict=True):
        for sign in (1, -1):
            told = run.telling.tokens(sign * change, before, after, sign)
            rows += [(family.pick, family.seed, i, int((fires > 0).sum()), t["token"], t["before"], t["after"]) for t in told]
    return pd.DataFrame(rows, columns=CHANGES)


def find(run: Run, credit: Float[Tensor, "T"] | None, gained: Float[Tensor, "T"], kept: int) -> pd.DataFrame:
    """Both lists, a row a finding (`COLUMNS`); without credit there is no list with the reward."""
    rows = [] if credit is None else run.with_reward(credit, gained, kept)
    return pd.DataFrame(rows + run.without_reward(gained, kept), columns=COLUMNS)


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
    """What is known of the completions as a whole: how many, tokens, mean KL a token, the reward that a completion's tokens add on either side
    with its standard deviation, and by how much more it is on the tuned side (Welch's interval over completions)."""
    sums = torch.zeros(len(side), dtype=torch.float64).index_add(0, samples.sequence, gained.double())
    base, tuned = (sums[side == n].numpy() for n in (0, 1))
    gain = dict(zip(("difference", "ci_low", "ci_high"), welch([(1.0, tuned), (-1.0, base)]), strict=True)) if len(base) and len(tuned) else {}
    return {
        "completions": {"base": len(base), "rlhf": len(tuned)},
        "tokens": len(samples.token),
        "kl": samples.kl.mean().item(),
        "added": {name: _known(of.mean()) for name, of in (("base", base), ("rlhf", tuned)) if len(of)},
        "added_sd": {name: _known(of.std()) for name, of in (("base", base), ("rlhf", tuned)) if len(of)},
        "gain": {name: _known(value) for name, value in gain.items()},
        "problem": problem,
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _of(family: Family, i: int) -> dict:
    return {"contexts": family.kind, "pick": family.pick, "layer": family.layer, "seed": family.seed, "context": str(family.names[i])}


def _distinct(read: list[dict], kept: int) -> Iterator[tuple[int, dict]]:
    """The first `kept` that say different things; `alike`: how many of the pool say what one says."""
    chosen: list[tuple[int, dict, set[str]]] = []
    for i, row in enumerate(read):
        says = {token["token"] for token in row["more"]}
        same = next((other for _, other, tokens in chosen if score.same(says, tokens)), None)
        if same:
            same["alike"] += 1
        elif says or row["less"]:
            chosen.append((i, row, says))
    yield from ((i, row) for i, row, _ in chosen[:kept])


def _of_word(kind: str, rank: int, word: baselines.Word, last: int) -> dict:
    more = [{"token": word.word, "before": word.before, "after": word.after}]
    return {
        "mode": WITHOUT, "contexts": kind, "pick": "", "layer": -1, "seed": 0, "context": word.word, "rank": rank, "score": word.score,
        "firings": word.count, "gain": np.nan, "alike": 0, "fires_on": [], "more": more, "less": [], "first": 0, "last": last, "examples": [],
        "sentence": reading.sentence([], more, [], None, np.nan),
    }  # fmt: skip
