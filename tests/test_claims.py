"""The check of the figures that README quotes, on made-up tables."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from scipy.stats import binom

FILE = Path(__file__).parents[1] / "benchmarks/claims.py"
SPEC = importlib.util.spec_from_file_location("claims", FILE)
claims = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(claims)

TRUE = claims.TRUE
SAID = claims.STATEMENTS
STATED = [  # whatever README says, the tables below are made for these
    claims.Statement("the reward of completions rises", "table4", TRUE, "reward_", "above"),
    claims.Statement("it rises more than that of a twin's completions", "table4", TRUE, "reward_over_twin_", "above"),
    claims.Statement("features promote more of the reward's words, net of random rows", "table3", TRUE, "promotes_signed_net_", "above"),
    claims.Statement("they do so more than a twin's", "table3", TRUE, "promotes_signed_over_twin_", "above"),
    claims.ALARMS[0],
    claims.Statement("the first finding is shown", "findings", TRUE | claims.FIRST, "shown", "above"),
    claims.Statement("a twin's is not", "findings", claims.WORDS | claims.FIRST, "shown", "not above"),
]
MACHINE = {"cpu": "Zeta 9", "torch": "2.0", "paths": {"avx2": {}, "default": {"ATEN_CPU_CAPABILITY": "default"}}}
PLACES = [(path, seed) for path in ("avx2", "default") for seed in (1, 2)]
NET, OVER = "promotes_signed_net", "promotes_signed_over_twin"
REWARD, REWARD_OVER = "reward_difference", "reward_over_twin"


def made(results: Path, weight: float, *changes: tuple[str, int, str, float]) -> None:
    """A finished run in which every statement holds, but for `changes`: table, row, column, value."""
    numbers = {"ci_low": 1.0, "ci_high": 3.0}
    table4 = {REWARD: 2.0, "reward_ci_low": 1.0, "reward_ci_high": 3.25, REWARD_OVER: 2.0, **{f"{REWARD_OVER}_{k}": v for k, v in numbers.items()}}
    table3 = {NET: 2.0, OVER: 2.0, **{f"{name}_{k}": v for name in (NET, OVER) for k, v in numbers.items()}}
    twin = {NET: 0.5, f"{NET}_ci_low": -1.0, f"{NET}_ci_high": 2.0}
    tables = {
        name: pd.DataFrame([{"reward": "utility", **true}, {"reward": "utility-placebo", **twin}])
        for name, true in (("table3", table3), ("table4", table4))
    }
    first = {"mode": "with the reward", "contexts": "features", "rank": 1}
    tables["findings"] = pd.DataFrame(
        [{"reward": reward, **first, "shown": shown} for reward, shown in (("utility", True), ("utility-placebo", False))]
    )
    for table, row, column, value in changes:
        tables[table].loc[row, column] = value
    (results / "tables").mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(results / f"tables/{name}.csv", index=False)
    (results / "models/tiny/model").mkdir(parents=True, exist_ok=True)
    same = np.ones(2, dtype=np.float32)
    save_file({"a": same, "b": same, "c": same, "d": same * weight}, results / "models/tiny/model/model.safetensors")


@pytest.fixture(autouse=True)
def stated(monkeypatch):
    monkeypatch.setattr(claims, "STATEMENTS", STATED)
    monkeypatch.setattr(claims, "ALARMS", claims.ALARMS[:1])


def test_readme_s_statements_are_of_tables_that_are_made():
    assert (
        {said.table for said in SAID} <= {*claims.TABLES}
        and {said.must for said in SAID} <= {*claims.MUST}
        and all(alarm in SAID for alarm in claims.ALARMS)
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four finished runs; one tensor in four differs between the paths."""
    (tmp_path / "machine.json").write_text(json.dumps(MACHINE))
    for path, seed in PLACES:
        made(tmp_path / f"{path}-seed{seed}", 1.0 if path == "avx2" else 2.0)
    return tmp_path


def main(monkeypatch, folder: Path, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["claims.py", "--folder", str(folder), *options])
    claims.main()


def complaints(monkeypatch, folder: Path) -> list[str]:
    with pytest.raises(SystemExit) as stop:
        main(monkeypatch, folder, "--read")
    return stop.value.code.splitlines()


def test_a_row_per_statement_with_every_interval(folder, monkeypatch, capsys):
    main(monkeypatch, folder, "--read")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Zeta 9, torch 2.0, capability avx2"
    assert lines[2] == "| statement | interval | avx2, seed 1 | avx2, seed 2 | default, seed 1 | default, seed 2 | holds |"
    assert lines[4] == "| the reward of completions rises | above |" + 4 * " 2 (1 to 3.25) |" + " yes |"
    assert lines[8] == "| a twin's features do not (words) | not above |" + 4 * " 0.5 (-1 to 2) |" + " yes |"
    assert lines[9:11] == [
        "| the first finding is shown | above |" + 4 * " 1 |" + " yes |",
        "| a twin's is not | not above |" + 4 * " 0 |" + " yes |",
    ]
    assert "in 0 of 4 rows" in lines[12] and "at most 0.53" in lines[12] and "0 of 2 seeds" in lines[12] and "at most 0.78" in lines[12]
    assert lines[13:] == [f"Seed {seed}: 25% of the base model's tensors differ between the paths." for seed in (1, 2)]


@pytest.mark.parametrize("change, sentence", [
    (("table4", 0, "reward_ci_low", 0.0), "the reward of completions rises"),
    (("table4", 0, "reward_over_twin_ci_low", -0.1), "it rises more than that of a twin's completions"),
    (("table3", 0, f"{NET}_ci_low", np.nan), "features promote more of the reward's words, net of random rows"),
    (("table3", 0, f"{OVER}_ci_low", -2.0), "they do so more than a twin's"),
    (("table3", 1, f"{NET}_ci_low", 0.1), "a twin's features do not (words)"),
    (("table3", 1, f"{NET}_ci_low", np.nan), "a twin's features do not (words)"),
    (("findings", 0, "shown", False), "the first finding is shown"),
    (("findings", 1, "shown", True), "a twin's is not"),
])  # fmt: skip
def test_one_run_against_a_statement_is_a_line_that_names_both(folder, monkeypatch, change, sentence):
    made(folder / "default-seed2", 2.0, change)
    assert complaints(monkeypatch, folder) == [f"does not hold: {sentence} (in default, seed 2)"]


def test_the_other_row_is_not_looked_at(folder, monkeypatch):
    """The twin's reward may rise, and the true reward's `net` is of its own row."""
    made(folder / "avx2-seed1", 1.0, ("table4", 1, "reward_ci_low", -5.0), ("table3", 1, f"{OVER}_ci_low", -5.0))
    main(monkeypatch, folder, "--read")


@pytest.mark.parametrize("low, high, true", [
    (0.1, 1.0, {"above"}),
    (0.0, 1.0, {"not above"}),
    (-1.0, 0.0, {"not above"}),
    (-1.0, -0.1, {"below", "not above"}),
    (np.nan, np.nan, set()),
])  # fmt: skip
def test_what_an_interval_may_have_to_be(low, high, true):
    assert {name for name, holds in claims.MUST.items() if holds(low, high)} == true


def test_paths_with_equal_base_models_are_one_path(folder, monkeypatch):
    made(folder / "default-seed1", 1.0)
    assert complaints(monkeypatch, folder) == ["seed 1: the base models of both paths are equal, so no second path was run"]


def test_tables_alone_can_be_read(folder, monkeypatch, capsys):
    (folder / "default-seed1/models/tiny/model/model.safetensors").unlink()
    main(monkeypatch, folder, "--read")
    assert "Seed 1: the base models are not there" in capsys.readouterr().out


def test_what_is_not_there_is_named(folder, monkeypatch):
    file = folder / "avx2-seed1/tables/table4.csv"
    table = pd.read_csv(file)
    table.rename(columns={REWARD_OVER: "other"}).to_csv(file, index=False)
    assert complaints(monkeypatch, folder) == [f"{file} has no column {REWARD_OVER}"]
    pd.concat([table, table]).to_csv(file, index=False)
    assert complaints(monkeypatch, folder) == [f"{file}: 2 rows are of {{'reward': 'utility'}}, not one"]
    file.unlink()
    assert complaints(monkeypatch, folder) == [f"{file} is not there"]


def test_a_row_may_be_named_by_several_columns(tmp_path):
    (tmp_path / "tables").mkdir()
    rows = [["utility", "total", "0.7", 1], ["utility", "total", "chance", 2], ["utility", "3", "chance", 3], ["other", "total", "chance", 4]]
    table = pd.DataFrame(rows, columns=["reward", "layer", "kept_at", "difference"])
    table.assign(ci_low=-1, ci_high=5).to_csv(tmp_path / "tables/step4.csv", index=False)
    statement = claims.Statement("", "step4", {"reward": "utility", "kept_at": "chance", "layer": "total"}, "", "not above")
    assert claims.interval(tmp_path, statement) == (2, -1, 5)


@pytest.mark.parametrize("twins", [1, 4, 6, 60])
def test_without_an_alarm_the_bound_follows_the_number_of_twins(twins):
    assert claims.at_most(0, twins) == pytest.approx(1 - 0.05 ** (1 / twins))


def test_six_twins_without_an_alarm_leave_a_rate_of_39_percent():
    assert claims.at_most(0, 6) == pytest.approx(1 - 0.05 ** (1 / 6)) == pytest.approx(0.393, abs=5e-4)


@pytest.mark.parametrize("alarms, of", [(0, 1), (1, 4), (3, 4)])
def test_at_the_bound_so_few_alarms_are_five_percent(alarms, of):
    assert binom.cdf(alarms, of, claims.at_most(alarms, of)) == pytest.approx(0.05)
    assert claims.at_most(of, of) == 1


def test_an_alarm_is_counted_once_for_a_seed_and_no_interval_is_no_trial():
    loud, quiet, none = (2.0, 1.0, 3.0), (2.0, -1.0, 3.0), (2.0, np.nan, np.nan)
    said = claims.false_alarms({("a", 1, "x"): loud, ("b", 1, "x"): quiet, ("a", 2, "x"): quiet, ("b", 2, "x"): none, ("a", 1, "y"): quiet})
    assert "in 1 of 4 rows" in said and "in 1 of 3 seeds" in said


def test_each_path_and_seed_is_run_in_its_environment(tmp_path, monkeypatch):
    calls = []

    def finish(command, env):
        calls.append((command, env))
        made(Path(next(item for item in command if item.startswith("results="))[8:]), len(calls))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(claims, "this_machine", lambda: MACHINE)
    monkeypatch.setattr(claims.subprocess, "run", finish)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx512")
    monkeypatch.setenv("MKL_ENABLE_INSTRUCTIONS", "AVX512")
    main(monkeypatch, tmp_path, "--cores", "3")
    assert [env.get("ATEN_CPU_CAPABILITY") for _, env in calls] == [None, None, "default", "default"]
    assert all("MKL_ENABLE_INSTRUCTIONS" not in env and "PATH" in env for _, env in calls)
    command = calls[3][0][3:]
    results = tmp_path / "default-seed2"
    assert command[:5] == [f"{results}/tables/{name}.csv" for name in claims.TABLES]
    assert command[7:11] == ["--cores", "3", "--configfile", f"{FILE.parents[1]}/config/twins.yaml"]
    assert command[11:] == ["--config", "seed=2", f"results={results}", "device=cpu"]
    monkeypatch.setattr(claims, "this_machine", lambda: MACHINE | {"cpu": "Eta 1"})
    with pytest.raises(SystemExit, match="is of another machine .Zeta 9, torch 2.0."):
        main(monkeypatch, tmp_path)
    assert len(calls) == 4


def test_a_failed_run_stops_the_round(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "this_machine", lambda: MACHINE)
    monkeypatch.setattr(claims.subprocess, "run", lambda command, env: subprocess.CompletedProcess(command, 1))
    with pytest.raises(SystemExit, match="avx2-seed1: the run failed"):
        main(monkeypatch, tmp_path)


@pytest.mark.parametrize("own, lower", [("avx512", "avx2"), ("avx2", "default")])
def test_the_second_path_is_the_next_lower_one(monkeypatch, own, lower):
    monkeypatch.setattr(claims, "capability", lambda variables: variables.get("ATEN_CPU_CAPABILITY", own))
    assert {path: variables.get("ATEN_CPU_CAPABILITY") for path, variables in claims.this_machine()["paths"].items()} == {own: None, lower: lower}
    monkeypatch.setattr(claims, "capability", lambda variables: own)  # the variable does nothing
    with pytest.raises(SystemExit, match=f"{own}: there is no second floating-point path"):
        claims.this_machine()


def test_a_cpu_without_a_lower_path_is_said(monkeypatch):
    monkeypatch.setattr(claims, "capability", lambda variables: "sve256")
    with pytest.raises(SystemExit, match="sve256: there is no second"):
        claims.this_machine()


def test_torch_obeys_the_variables():
    assert claims.capability(claims.LOWER["avx2"]) == "default"
