"""What the planted benchmark measures, by hand."""

import importlib
import math
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from workflow_runs import ROOT

sys.path.insert(0, str(ROOT / "benchmarks/planted"))
measures = importlib.import_module("measures")

MODE = "with the reward"
LIMITS = pd.Series({(MODE, "features"): 5.0, (MODE, "tokens"): 4.0})
LIMITS.index.names = ["mode", "contexts"]


def found(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["kind", "run", "contexts", "rank", "score", "names"]).assign(mode=MODE)


FINDINGS = found([
    ("a", "a", "features", 1, 9.0, False), ("a", "a", "features", 2, 8.0, True), ("a", "a", "features", 3, 7.0, True),
    ("a", "a", "tokens", 1, 6.0, True),
    ("b", "b", "features", 1, 4.9, True),  # below the threshold
    ("b", "b", "tokens", 1, 9.0, False),
    ("c", "c", "features", 11, 9.0, True),  # beyond ten candidates
    ("c", "c", "tokens", 4, 9.0, True),
])  # fmt: skip


def test_the_first_shown_finding_that_names_the_kind():
    table = measures.outcomes(FINDINGS, LIMITS).set_index(["kind", "contexts"])
    assert table["rank"].to_dict() == pytest.approx(
        {
            ("a", "features"): 2,
            ("a", "tokens"): 1,
            ("b", "features"): math.nan,
            ("b", "tokens"): math.nan,
            ("c", "features"): math.nan,
            ("c", "tokens"): 4,
        },
        nan_ok=True,
    )
    assert table["inverse"].tolist() == [0.5, 1.0, 0.0, 0.0, 0.0, 0.25] and table["found"].sum() == 3
    named_at = table["named_at"].dropna().to_dict()  # below the threshold too, but not beyond ten
    assert named_at == {("a", "features"): 8.0, ("a", "tokens"): 6.0, ("b", "features"): 4.9, ("c", "tokens"): 9.0}


def test_recall_has_wilsons_interval():
    said = measures.recall(measures.outcomes(FINDINGS, LIMITS).query("contexts == 'tokens'"))
    z, n, p = 1.959964, 3, 2 / 3
    middle, half = (p + z * z / (2 * n)) / (1 + z * z / n), z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert (said["found"], said["kinds"]) == (2, 3) and said["inverse"] == pytest.approx(1.25 / 3)
    assert (said["ci_low"], said["ci_high"]) == pytest.approx((middle - half, middle + half), abs=1e-5)


def test_two_kinds_of_contexts_are_compared_by_kind_its_runs_averaged():
    rows = [(f"k{i}", f"k{i}{end}", contexts, rank) for i in range(6) for end in ("", "-weak") for contexts, rank in (("features", 1), ("tokens", 2))]
    table = pd.DataFrame(rows, columns=["kind", "run", "contexts", "rank"]).assign(mode=MODE, found=True)
    table["inverse"] = 1 / table["rank"]
    table.loc[(table["contexts"] == "tokens") & (table["kind"] == "k0"), ["inverse", "found"]] = [0.0, False]
    said = measures.compared(table, "features", "tokens")
    assert said["difference"] == pytest.approx((1.0 + 5 * 0.5) / 6) and said["p"] == pytest.approx(2 / 2**6)
    assert (said["kinds"], said["one_alone"], said["other_alone"]) == (6, 1, 0)


def test_a_threshold_is_exceeded_by_a_tenth_of_the_twins_at_most():
    twins = pd.DataFrame(
        [(f"t{i}", MODE, "features", float(i + off)) for i in range(20) for off in (0, -0.5)], columns=["twin", "mode", "contexts", "score"]
    )
    limit = measures.thresholds(twins, 20, least=4.5)[MODE, "features"]
    assert limit == 18.0 and (twins.groupby("twin")["score"].max() > limit).mean() <= 0.1
    some = twins[twins["twin"].isin(["t1", "t2"])]
    assert measures.thresholds(some, 2, least=4.5)[MODE, "features"] == 4.5
    silent = pd.concat([twins, twins.assign(contexts="tokens").query("twin == 't19'")])  # 19 twins have no finding of that kind
    assert measures.thresholds(silent, 20, least=0.5)[MODE, "tokens"] == 0.5
    also = measures.thresholds(twins, 20, least=4.5, also=[(MODE, "last words"), (MODE, "features")])  # of which no twin has any finding
    assert also.to_dict() == {(MODE, "features"): 18.0, (MODE, "last words"): 4.5}


def test_false_alarms_by_twin_and_by_cell():
    rows = [
        ("t1", "a", 6.0, True), ("t1", "a", 7.0, True), ("t1", "b", 6.0, False),  # one of two cells
        ("t2", "a", 4.0, True), ("t2", "b", 5.5, False),  # shown, not named
        ("t3", "a", 3.0, False),
        ("t4", "b", 2.0, False),
    ]  # fmt: skip
    twins = pd.DataFrame(rows, columns=["twin", "cell", "score", "names"]).assign(mode=MODE, contexts="features", rank=1)
    (said,) = measures.false_alarms(twins, ["t1", "t2", "t3", "t4"], LIMITS[[(MODE, "features")]], ["a", "b"]).to_dict("records")
    assert (said["twins"], said["any_shown"], said["any_named"], said["cells"]) == (4, 0.5, 0.25, 0.125)
    assert said["ci_low"] == 0.0 and 0.125 < said["ci_high"] <= 0.5


def test_the_power_of_the_sign_test():
    """Of ten kinds that the first alone finds, each with chance .8, at least six give p < .05 where the other finds none."""
    exact = binom.sf(5, 10, 0.8)
    assert measures.power((0.8, 0.0), kinds=10, apart=0.8, draws=4000) == pytest.approx(exact, abs=0.03)
    assert measures.power((0.5, 0.5), kinds=24, apart=0.2) < 0.05


def test_learned_means_gained_beyond_chance_and_gently(tmp_path):
    (tmp_path / "rlhf").mkdir()

    def facts(difference, low, kl):
        gain = {"difference": difference, "ci_low": low, "ci_high": 9.0}
        pd.Series({"gain": gain, "added_sd": {"base": 2.0}}).to_json(tmp_path / "findings.json")
        pd.DataFrame({"kl": [1.0, kl]}).to_parquet(tmp_path / "rlhf/training.parquet")
        return measures.run_facts(tmp_path)

    assert facts(0.7, 0.1, 9.9) == {"gain": 0.7, "gain_in_sd": 0.35, "kl": 9.9, "learned": True}
    assert [facts(*of)["learned"] for of in ((0.7, -0.1, 9.0), (0.5, 0.1, 9.0), (0.7, 0.1, 10.1))] == [False] * 3
    assert facts(None, None, 1.0)["learned"] is False and np.isnan(measures.run_facts(tmp_path)["gain_in_sd"]) is np.False_


def test_a_rule_is_tried_on_runs_of_other_kinds(monkeypatch):
    monkeypatch.setattr(measures, "names", lambda kind, row: row["says"] == kind)
    rows = [("a", 1, 6.0, "a"), ("b", 1, 6.0, "a"), ("b", 2, 4.0, "c"), ("c", 1, 6.0, "b")]  # b's second lies below the threshold
    table = pd.DataFrame(rows, columns=["kind", "rank", "score", "says"]).assign(mode=MODE, contexts="features")
    found = measures.of_others(table, LIMITS[[(MODE, "features")]]).set_index("rule")["rate"]
    assert found.to_dict() == {"a": 0.5, "b": 0.5, "c": 0.0}
