"""What docs/evidence.md says of tables, and how twins are read with their own reward, by hand."""

import importlib
import json
import sys

import numpy as np
import pandas as pd
import pytest
from workflow_runs import ROOT

sys.path.insert(0, str(ROOT / "benchmarks/planted"))
evidence, page = importlib.import_module("evidence"), importlib.import_module("page")
WITH, WITHOUT = "with the reward", "two checkpoints"


def finding(twin: str, read_with: str, score: float, *more: str, contexts: str = "features", rank: int = 1) -> dict:
    said = [{"token": word} for word in more]
    return {"twin": twin, "read_with": read_with, "mode": WITH, "contexts": contexts, "rank": rank, "score": score, "more": said,
            "less": [], "fires_on": [], "examples": [], "first": 0, "last": 0}  # fmt: skip


@pytest.fixture
def tables() -> "page.Tables":
    """Three held kinds: who (visible) is found by features alone, and_late by both, in_early was not learned."""
    kinds = [("who", True, True, 1.0), ("and_late", False, True, 2.0), ("in_early", False, False, np.nan)]
    outcomes = [
        {"kind": kind, "run": kind, "mode": mode, "contexts": contexts, "rank": rank if contexts == "features" or kind == "and_late" else np.nan,
         "set": "held", "weak": False, "learned": learned, "visible": visible}
        for kind, visible, learned, rank in kinds for mode in (WITH, WITHOUT) for contexts in ("features", "random directions")
    ]  # fmt: skip
    outcomes = pd.DataFrame(outcomes).assign(
        named_at=lambda t: np.where(t["rank"].notna() | (t["kind"] == "who"), 4.4, np.nan),
        found=lambda t: t["rank"].notna(),
        inverse=lambda t: (1 / t["rank"]).fillna(0.0),
    )
    runs = [{"set": "held", "kind": k, "run": k, "weak": False, "gain_in_sd": 1.0, "kl": 5.0, "learned": learned} for k, _, learned, _ in kinds]
    test = {
        "set": "held",
        "mode": WITH,
        "one": "features",
        "other": "random directions",
        "kinds": 9,
        "difference": 0.2,
        "one_alone": 4,
        "other_alone": 0,
        "registered": True,
    }
    twins = [{"mode": mode, "contexts": "features", "twins": 30, "threshold": 4.5, "any_shown": shown, "any_named": 0.0, "cells": 0.01, "ci_low": 0.0,
              "ci_high": 0.02} for mode, shown in ((WITH, 0.05), (WITHOUT, 0.5))]  # fmt: skip
    own = {"twin": "words-01", "kind": "words", "contexts": "features", "threshold": 4.5, "score": 9.0, "shown": True, "own_named": True}
    return page.Tables(
        outcomes=outcomes,
        runs=pd.DataFrame(runs),
        tests=pd.DataFrame([test | {"p": 0.2}, test | {"other": "last words", "p": 0.01}]),
        twins=pd.DataFrame(twins),
        own=pd.DataFrame([own | {"utility_named": False}]),
        rules=pd.DataFrame([{"mode": WITH, "contexts": "features", "rule": "who", "rate": 0.1}]),
        cost=pd.DataFrame([{"rule": "rlhf", "jobs": 3, "cpu_minutes": 4.0}, {"rule": "saes", "jobs": 1, "cpu_minutes": 2.5}]),
        recalls=pd.DataFrame(),
    )


def test_the_page_opens_with_what_was_not_shown(tables):
    text = page.page(tables, ("results/validate/evidence", "sealed"), "Two cores.", page.Tables())
    first, second = text.split("\n## ")[1:3]
    assert first.startswith("What was not shown") and second.startswith("What was\n")
    assert "**features against random directions**: were not shown to differ (mean inverse rank +0.200, p 0.200, 9 kinds; 4 found by" in first
    assert "**features against last words**: features find more" in second
    assert "two checkpoints, features: 0.50 of 30 twins with anything shown; asked: at most 0.1" in first
    assert "with the reward, features: 0.05 of 30 twins" in second
    assert "Not learned in the strong run (1 of 3): `in_early`." in first
    assert "## Real reviews\n\nNot run.\n" in text and "dictionaries of today\n\nNot run.\n" in text
    assert "Two cores." in text and "6 CPU minutes in 4 jobs" in text  # 6.5, to even


def test_recall_counts_what_was_learned(tables):
    shares = page.recalls(tables).set_index(["mode", "contexts", "kinds"])
    assert shares.loc[(WITH, "features", "all"), ["found", "of"]].tolist() == [2, 2]
    assert shares.loc[(WITH, "random directions", "visible"), ["found", "of"]].tolist() == [0, 1]
    assert shares.loc[(WITHOUT, "random directions", "invisible"), "recall"] == 1.0
    assert page.draw(shares.reset_index()).axes[0].get_title() == WITH


def test_where_it_stops_tells_what_no_threshold_would_mend(tables):
    """Random directions name who in one of their ten, below the threshold; in_early was not learned, and is not counted."""
    rows = page.stops(tables).set_index(["mode", "contexts"])
    assert rows.loc[(WITH, "features")].tolist() == [2, 0, 0] and rows.loc[(WITH, "random directions")].tolist() == [1, 1, 0]


def test_sealed_kinds_stand_in_a_section_of_their_own(tables):
    """The same tables as if of sealed kinds: what was not shown first, what is no hypothesis apart, and a row a run."""
    of = page.Tables({name: table.assign(set="sealed") if "set" in table else table for name, table in tables.items()})
    unregistered = of.tests.iloc[[0]].assign(registered=False, other="shared features", p=np.nan)
    of["tests"] = pd.concat([of.tests, unregistered], ignore_index=True).astype({"registered": bool})
    lines = page.on_sealed(of, "Two cores.")
    bullets = [line for line in lines if line.startswith("- ")]
    shown = bullets.index(next(line for line in bullets if "last words**: features find more" in line))
    assert "random directions**: were not shown" in bullets[0]
    assert all(any(said in line for line in bullets[:shown]) for said in ("Not learned in", "features: 0.50 of 30 twins"))
    assert "shared features**: too few kinds to test" in bullets[-1] and lines.index("No hypotheses, beside them:") == lines.index(bullets[-1]) - 2
    assert "Two cores." in lines[0] and lines[-1].splitlines()[2].startswith("| who | the word who | yes | 1.00 | 5.0 | yes | 1 | ")


def test_a_twin_read_with_its_own_reward(tmp_path):
    """Three twins: one of words that names its own, one of noise with nothing above the threshold, and 0, which has no reward to read with."""
    (tmp_path / "rewards/words-01").mkdir(parents=True)
    (tmp_path / "rewards/words-01/twin.json").write_text(json.dumps({"kind": "words", "table": {"lake": 2.0, "boat": 1.0, "mud": -1.0}}))
    rows = [
        finding("words-01", "its own", 9.0, "lake", "boat", "the"), finding("words-01", "utility", 6.0, "mud", "lake", "the"),
        finding("noise-01", "its own", 4.4, "good", "great"), finding("noise-01", "utility", 5.0, "good", "great", "a"),
        finding("zero-1", "utility", 8.0, "good", "great"),
    ]  # fmt: skip
    (tmp_path / "planted").mkdir()
    for name, table in pd.DataFrame(rows).groupby("twin"):
        table.to_parquet(tmp_path / f"planted/{name}.parquet")
    limits = pd.Series({(WITH, "features"): 4.5})
    table = evidence.own_rewards(tmp_path, ["words-01", "noise-01", "zero-1"], limits).set_index("twin")
    assert table["kind"].to_dict() == {"words-01": "words", "noise-01": "noise"}
    assert table["shown"].to_dict() == {"words-01": True, "noise-01": False}
    assert table.loc["words-01", "own_named"] and not table.loc["words-01", "utility_named"]
    assert table.loc["noise-01", "own_named"] is None and table.loc["noise-01", "utility_named"]
    assert table.loc["noise-01", "score"] == 4.4


def test_kinds_on_real_reviews_stand_in_one_row_each(tables):
    rows = [
        {"kind": "who", "gain_in_sd": 0.5, "kl": 8.0, "learned": True, "mode": mode, "contexts": contexts, "rank": rank, "score": 7.0}
        for mode in (WITH, WITHOUT) for contexts, rank in (("features", 2.0), ("tokens", 1.0), ("last words", np.nan))
    ]  # fmt: skip
    tables["real"] = pd.DataFrame(rows)
    row = page.on_real_text(tables)[-1].splitlines()[-1]
    assert row == "| who | 0.50 | 8.00 | True | 2 (7.0) | no (7.0) | 2 (7.0) | no (7.0) |"
