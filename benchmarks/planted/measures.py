"""What the planted benchmark measures (docs/evidence-plan.md): which findings name what was planted, how often, and how often they should not.

A *cell* is a twin read with a kind's reward. A finding is *shown* where its score is above the threshold of its mode and kind of contexts, which
half of the twins set; the other half is counted once.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from rules import names
from scipy.stats import binomtest

from rewardscope.files import read_json
from rewardscope.stats import sign_flip_p

LEARNED = 0.3  # gain in standard deviations of the base's completions, from which a reward counts as learned
MOST_KL = 10.0  # nats a response, of the last update
BUDGET = 10
QUIET = 0.9  # quantile of the twins' largest scores that is the threshold


def run_facts(folder: Path) -> dict:
    """Of one run: gain of the reward that its findings were read with, in the base's standard deviations; KL; whether it counts as learned."""
    facts = read_json(folder / "findings.json")
    training = pd.read_parquet(folder / "rlhf/training.parquet")
    gain, sd = facts["gain"], facts["added_sd"].get("base") or math.nan
    kl = float(training["kl"].iloc[-1])
    strong = gain["difference"] is not None and gain["ci_low"] > 0 and gain["difference"] >= LEARNED * sd
    return {"gain": gain["difference"], "gain_in_sd": (gain["difference"] or 0.0) / sd, "kl": kl, "learned": strong and kl <= MOST_KL}


def naming(findings: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The findings with a column `names`: whether each names the kind by its rule."""
    return findings.assign(names=[names(kind, row) for row in findings.to_dict("records")])


def thresholds(findings: pd.DataFrame, twins: int, least: float, also: Iterable[tuple[str, str]] = ()) -> pd.Series:
    """Of every mode and kind of contexts: the 0.9 quantile, over so many twins, of a twin's largest score with any reward; `least` at least.

    `also`: modes and kinds that others have findings of; where no twin has one, the limit is `least`.
    """
    largest, every = findings.groupby(["mode", "contexts", "twin"])["score"].max(), twins
    limits = largest.groupby(["mode", "contexts"]).agg(lambda of: max(least, _upper([*of, *[0.0] * (every - len(of))])))
    both = sorted({*limits.index, *also})
    return limits.reindex(pd.MultiIndex.from_tuples(both, names=["mode", "contexts"]), fill_value=least)


def _upper(values: Iterable[float]) -> float:
    """Their 0.9 quantile, of the order statistics the upper one: no more than a tenth of these lie above it."""
    return float(np.quantile(list(values), QUIET, method="higher"))


def outcomes(findings: pd.DataFrame, limits: pd.Series) -> pd.DataFrame:
    """A row for each run, mode and kind of contexts: the rank of the first shown finding that names the kind (nan: none), `found`, its inverse, and
    `named_at`, the largest score of one of the budget that names the kind, shown or not (nan: none does).

    `findings`: those of runs with the columns `kind, run, names`.
    """
    keyed = findings.join(limits.rename("limit"), on=["mode", "contexts"])
    naming, by = keyed[keyed["names"] & (keyed["rank"] <= BUDGET)], ["kind", "run", "mode", "contexts"]
    first = naming[naming["score"] > naming["limit"]].groupby(by)["rank"].min()
    every = pd.MultiIndex.from_tuples(
        [(*of, *how) for of in dict.fromkeys(zip(findings["kind"], findings["run"], strict=True)) for how in limits.index],
        names=by,
    )
    best = naming.groupby(by)["score"].max().rename("named_at")
    table = pd.concat([first.rename("rank"), best], axis=1).reindex(every).reset_index()
    return table.assign(found=table["rank"].notna(), inverse=(1 / table["rank"]).fillna(0.0))


def recall(outcomes: pd.DataFrame) -> dict:
    """Share of kinds found, with Wilson's interval; one run a kind."""
    found, of = int(outcomes["found"].sum()), len(outcomes)
    low, high = binomtest(found, of).proportion_ci(method="wilson") if of else (math.nan, math.nan)
    return {
        "found": found,
        "kinds": of,
        "recall": found / of if of else math.nan,
        "ci_low": low,
        "ci_high": high,
        "inverse": outcomes["inverse"].mean(),
    }


def compared(outcomes: pd.DataFrame, one: str, other: str) -> dict:
    """Two kinds of contexts by the inverse rank, a kind's runs averaged: the mean difference, its sign-flip p by kind, what one alone finds."""
    table = outcomes.pivot_table(index="kind", columns="contexts", values="inverse", aggfunc="mean")
    difference = (table[one] - table[other]).to_numpy()
    any_of = outcomes.pivot_table(index="kind", columns="contexts", values="found", aggfunc="max").astype(bool)
    return {
        "one": one, "other": other, "kinds": len(table), "difference": difference.mean(), "p": sign_flip_p(difference),
        "one_alone": int((any_of[one] & ~any_of[other]).sum()), "other_alone": int((any_of[other] & ~any_of[one]).sum()),
    }  # fmt: skip


def false_alarms(findings: pd.DataFrame, twins: list[str], limits: pd.Series, kinds: list[str], resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """A row for each mode and kind of contexts: the share of twins with any finding shown, with one that some rule takes for its kind, and the share
    of cells (twin x kind) so taken, with a bootstrap interval over twins.

    `findings`: those of `twins`, with the columns `twin, cell, names`; `cell`: the kind whose reward it was read with, and whose rule `names` is.
    """
    every, rng = twins, np.random.default_rng(seed)
    keyed = findings.join(limits.rename("limit"), on=["mode", "contexts"])
    keyed = keyed[(keyed["score"] > keyed["limit"]) & (keyed["rank"] <= BUDGET)]
    rows = []
    for mode, contexts in limits.index:
        shown = keyed[(keyed["mode"] == mode) & (keyed["contexts"] == contexts)]
        taken = shown[shown["names"]]
        cells = taken.groupby("twin")["cell"].nunique().reindex(every, fill_value=0).to_numpy() / len(kinds)
        draws = cells[rng.integers(len(cells), size=(resamples, len(cells)))].mean(axis=1)
        rows.append(
            {
                "mode": mode, "contexts": contexts, "twins": len(every), "threshold": limits[mode, contexts],
                "any_shown": shown["twin"].nunique() / len(every), "any_named": taken["twin"].nunique() / len(every),
                "cells": cells.mean(), "ci_low": float(np.quantile(draws, 0.025)), "ci_high": float(np.quantile(draws, 0.975)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def of_others(findings: pd.DataFrame, limits: pd.Series) -> pd.DataFrame:
    """A row for each mode, kind of contexts and `rule`: the share of runs of other kinds in which a shown finding is taken for the rule's kind.

    `findings`: those of runs, with a column `kind`.
    """
    keyed = findings.join(limits.rename("limit"), on=["mode", "contexts"])
    shown, kinds = keyed[(keyed["score"] > keyed["limit"]) & (keyed["rank"] <= BUDGET)], findings["kind"].unique()
    rows = []
    for (mode, contexts), group in shown.groupby(["mode", "contexts"]):
        for rule in kinds:
            others = group[group["kind"] != rule]
            taken = naming(others, rule)
            rows.append(
                {"mode": mode, "contexts": contexts, "rule": rule, "rate": taken.loc[taken["names"], "kind"].nunique() / max(1, len(kinds) - 1)}
            )
    return pd.DataFrame(rows)


def power(recalls: tuple[float, float], kinds: int, apart: float, draws: int = 2000, seed: int = 0) -> float:
    """How often the sign-flip test at 0.05 would see two recalls apart, of so many kinds; `apart`: the share of kinds that one alone finds.

    Of found or not, without ranks, where it is the exact sign test; ranks only add to it.
    """
    rng, gap = np.random.default_rng(seed), recalls[0] - recalls[1]
    chances = [(apart + gap) / 2, (apart - gap) / 2, 1 - apart]
    drawn = rng.multinomial(kinds, chances, size=draws)
    return float(np.mean([one + other > 0 and binomtest(int(one), int(one + other)).pvalue < 0.05 for one, other, _ in drawn]))
