"""The table of findings, by hand: what is shown, beside which twin, and how many runs and seeds say the same."""

import pandas as pd
import pytest

from rewardscope.__main__ import main
from rewardscope.errors import UserError
from rewardscope.findings import findings_table
from rewardscope.report.findings import findings as reported

WITH, BLIND = "with the reward", "two checkpoints"


def row(score: float, more: str, run: str = "run1", seed: int = 1, kind: str = "features", mode: str = WITH) -> dict:
    return {
        "mode": mode, "contexts": kind, "pick": "top1", "layer": 3, "seed": seed, "context": "5", "score": score, "firings": 40, "gain": 0.5, "run": run,
        "fires_on": ["a"], "more": [{"token": token, "before": 0.1, "after": 0.2} for token in more.split()], "less": [], "examples": ["a «b»"],
        "sentence": f"writes {more}",
    }  # fmt: skip


FOUND = [
    row(9, "love hate"),
    row(8, "love war", seed=2),
    row(6, "film", run="run2"),
    row(5, "love", run="run2"),
    row(2, "love", run="run3"),
    row(3, "x y"),
]


def table(twins: list[dict] | None, threshold: float = 4.5, found=FOUND) -> pd.DataFrame:
    rows = findings_table.rows(pd.DataFrame(found), pd.DataFrame(twins) if twins else None, 3, threshold, {"model": "m", "reward": "r"})
    return pd.DataFrame(rows, columns=findings_table.COLUMNS)


def test_the_strongest_of_those_that_say_the_same():
    found = table(None)
    assert found["more"].tolist() == ["love hate", "film", "x y"] and found["rank"].tolist() == [1, 2, 3]
    assert found["shown"].tolist() == [True, True, False] and found["threshold"].tolist() == [4.5] * 3 and found["twin"].isna().all()
    first = found.iloc[0]  # run 3 says it too, below the threshold
    assert (first["runs"], first["of_runs"], first["seeds"], first["of_seeds"]) == (2, 3, 3, 4)


@pytest.mark.parametrize(("mode", "threshold", "shown"), [(WITH, 7.0, [True, False, False]), (BLIND, 4.5, [True, True, False])])
def test_a_twin_sets_the_threshold_where_there_is_a_reward(mode, threshold, shown):
    found = table([row(7, "b", mode=mode), row(12, "b", kind="tokens", mode=mode)], found=[{**one, "mode": mode} for one in FOUND])
    assert found["twin"].tolist() == [7.0] * 3 and found["threshold"].tolist() == [threshold] * 3 and found["shown"].tolist() == shown


def test_the_report_tells_what_is_shown_and_whether_a_dictionary_was_needed():
    mixed = table([row(1, "b")], found=[*FOUND, row(9.5, "love", kind="tokens")])
    (section,) = reported(pd.concat([mixed, mixed.assign(reward="placebo")]), {"placebo": "r"})
    assert section["title"] == "m, tuned checkpoint given, read with r" and section["mode"].startswith("Where tuning and the reward")
    assert [one["sentence"] for one in section["told"]] == ["writes love hate", "writes film"] and not section["none"]
    assert section["told"][0]["evidence"].endswith("the twins' largest 1.00; in 2 of 3 runs, 3 of 4 SAEs")
    assert [line["kind"] for line in section["beside"]] == ["features", "tokens"]
    assert section["says"] == "Tokens reach a score as high as features do: no dictionary was needed for this."
    (alone,) = reported(table(None, threshold=20.0), {})
    assert not alone["told"] and "nothing is claimed" in alone["none"] and alone["says"] == ""
    (ahead,) = reported(table(None, found=[*FOUND, row(8.5, "love", kind="last words")]), {})
    assert ahead["says"].startswith("Features reach the highest score, 9.00; next are last words with 8.50")


UNREWARDED = [{**one, "mode": BLIND} for one in FOUND]


def test_without_a_reward_the_one_list_stands_open_and_says_so():
    blind = table(None, found=UNREWARDED).assign(reward="audited", problem="no reward was given")
    both = table(None, found=[*FOUND, *UNREWARDED])
    lists = reported(pd.concat([blind, both]), {})
    said = [(one["title"], one["mode"].split(":")[0], one["open"], one["note"]) for one in lists]
    assert said == [
        ("m, audited", "From the two checkpoints alone", True, "There is no list with the reward: no reward was given."),
        ("m, tuned checkpoint given, read with r", "Where tuning and the reward go together", True, ""),
        ("m, tuned checkpoint given, read with r", "From the two checkpoints alone", False, ""),
    ]
    (failed,) = reported(table(None, found=UNREWARDED).assign(problem="the reward is the same whatever a completion says"), {})
    assert (
        failed["title"] == "m, tuned checkpoint given, read with r"
        and failed["open"]
        and failed["note"].endswith(": the reward is the same whatever a completion says.")
    )


@pytest.mark.parametrize(
    ("of_run", "says"),
    [
        ({"run1": "", "run2": ""}, ""), ({"run1": "no reward was given"}, "no reward was given"), ({"run1": "a", "run2": "a"}, "a"),
        ({"run1": "", "run2": "a", "run3": "a"}, "run2, run3: a"), ({"run1": "a", "run2": "b"}, "run1: a; run2: b"),
    ],
)  # fmt: skip
def test_why_there_is_no_list_with_the_reward(of_run, says):
    assert findings_table.problem(of_run) == says


def test_a_list_says_how_the_model_was_tuned():
    assert findings_table.named("m", "r", "", "DPO") == "m, tuned by DPO on r"
    assert findings_table.named("m", "r", "", float("nan")) == "m, tuned checkpoint given, read with r"
    assert findings_table.named("m", "r", "no reward was given", "") == "m, r"


def test_an_empty_list_is_told_of_too(tmp_path, capsys):
    """Of each mode that is expected, and beside contexts that need no dictionary."""
    names = {"model": "m", "reward": "r", "problem": ""}
    some = findings_table.rows(pd.DataFrame([row(9, "love", kind="tokens")]), None, 3, 4.5, names)
    both = findings_table.unscored(some, 2, 4.5, names)
    assert [(one["mode"], one["contexts"], one["rank"], one["shown"], one["of_runs"]) for one in both] == [
        (WITH, "features", 0, False, 2), (BLIND, "features", 0, False, 2),
    ]  # fmt: skip
    assert findings_table.unscored(findings_table.rows(pd.DataFrame([*FOUND, *UNREWARDED]), None, 3, 4.5, names), 2, 4.5, names) == []
    (blind,) = findings_table.unscored([], 1, 4.5, names | {"reward": "x", "problem": "no reward was given"})
    pd.DataFrame([*some, *both, blind], columns=findings_table.COLUMNS).to_csv(tmp_path / "findings.csv", index=False)
    assert main(["show", "findings", str(tmp_path / "findings.csv")]) == 0
    nothing = "  no feature that fires on 25 tokens has a score above 0"
    assert capsys.readouterr().out.splitlines() == [
        "m, tuned checkpoint given, read with r; with the reward:", nothing, "m, tuned checkpoint given, read with r; two checkpoints:", nothing, "m, x; two checkpoints (no reward was given):", nothing,
    ]  # fmt: skip
    told = reported(pd.read_csv(tmp_path / "findings.csv"), {})
    assert [(one["none"][:36], [other["kind"] for other in one["beside"]]) for one in told] == [
        ("No feature that fires on 25 tokens h", ["tokens"]), ("No feature that fires on 25 tokens h", []), ("No feature that fires on 25 tokens h", []),
    ]  # fmt: skip


def test_findings_in_the_terminal(tmp_path, capsys):
    blind = table(None, threshold=20.0, found=UNREWARDED)
    found = pd.concat([table(None), table(None, threshold=20.0).assign(reward="q"), blind.assign(reward="x", problem="no reward was given")])
    found.to_csv(tmp_path / "findings.csv", index=False)
    assert main(["show", "findings", str(tmp_path / "findings.csv")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "m, tuned checkpoint given, read with r; with the reward:", "  1. writes love hate", "     score 9.0 of 4.5; 2 of 3 runs", "  2. writes film",
        "     score 6.0 of 4.5; 1 of 3 runs", "m, tuned checkpoint given, read with q; with the reward:", "  nothing above 20.0; the highest score is 9.0",
        "m, x; two checkpoints (no reward was given):", "  nothing above 20.0; the highest score is 9.0",
    ]  # fmt: skip
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="cannot be read as the table of findings"):
        main(["show", "findings", str(tmp_path / "other.csv")])
