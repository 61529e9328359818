"""Results folders side by side: every figure is the row's that it names, and what is missing is not invented."""

import sys
from collections import Counter

import pandas as pd
import pytest

from rewardscope.__main__ import main
from rewardscope.errors import UserError
from rewardscope.report.compare import FIGURES, compare


def folder(place, **tables: list[dict]) -> str:
    (place / "tables").mkdir(parents=True)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(place / f"tables/{name}.csv", index=False)
    return str(place)


def lines(said: str) -> dict[str, list[str]]:
    """Name of a row -> its cells."""
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in said.splitlines() if line]
    return {name: rest for name, *rest in cells}


def table4(reward: str, by: float) -> dict:
    ends = {"reward_ci_low": by - 1, "reward_ci_high": by + 1}
    return {"model": "tiny", "reward": reward, "reward_difference": by, **ends, "reward_over_twin": by / 2, "reward_over_twin_ci_low": None}


STEP4 = {
    "model": "tiny",
    "reward": "mine",
    "layer": "total",
    "change": "found",
    "kept_at": "chance",
    "among": "top 30",
    "difference": 2.5,
    "ci_low": 1,
    "ci_high": 4,
}
OTHERS = [
    {**STEP4, **other, "difference": 99} for other in ({"layer": "1"}, {"change": "lost"}, {"kept_at": "0.7"}, {"among": "all"}, {"model": "big"})
]
FINDING = {"model": "tiny", "reward": "mine", "mode": "with the reward", "contexts": "features", "rank": 1, "score": 7.25, "shown": True}


def settings(**used: object) -> list[dict]:
    return [{"model": "tiny", "reward": "mine", "run": run, "setting": key, "used": value} for run in ("run1", "run2") for key, value in used.items()]


def test_figures_and_settings(tmp_path):
    one = folder(tmp_path / "one", table1=settings(kl=0.1, batch=64), table4=[table4("mine", 3.0)], step4=[*OTHERS, STEP4], findings=[FINDING])
    two = folder(tmp_path / "two", table1=settings(kl=0.2, batch=64), table4=[table4("other", 1.0), table4("mine", -2.0)])
    said = lines(compare([one, two]))
    assert said["kl (tiny/mine/run1 and 1 more)"] == ["0.1", "0.2"] and not any(name.startswith("batch") for name in said)
    mine = lines(compare([one, two]).split("\n\n")[1])
    assert mine["reward of completions, tuned - base"] == ["3.00 (2.00 to 4.00)", "−2.00 (−3.00 to −1.00)"]
    assert mine["the same less the twins'"] == ["1.50 (no interval)", "−1.00 (no interval)"]
    assert mine["features found, beyond another SAE seed"] == ["2.50 (1.00 to 4.00)", "-"]
    assert mine["first finding with the reward, its score"] == ["7.25, shown", "-"]
    assert lines(compare([one, two]).split("tiny, other")[1].split("\n\n")[0])["reward of completions, tuned - base"] == ["-", "1.00 (0 to 2.00)"]
    assert "No setting differs" in compare([one, one])


def test_wide_cells_are_folded_as_show_does(tmp_path, capsys, monkeypatch):
    """Of a terminal of 60 columns no line is wider; every word of the wide form is there, folder by folder."""
    one, two = (folder(tmp_path / name, table1=settings(kl=kl), table4=[table4("mine", 3.0)], step4=[STEP4]) for name, kl in (("a", 0.1), ("b", 0.2)))
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["compare", one, two]) == 0
    wide = capsys.readouterr().out
    assert max(map(len, wide.splitlines())) > 60  # a pipe
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["compare", one, two]) == 0
    said = capsys.readouterr().out
    assert 50 < max(map(len, said.splitlines())) <= 60
    of = lambda text: Counter("".join(text.split()))
    names = "".join(line.split("  ")[0] for line in wide.splitlines())
    assert of(said) == of(wide) + of(names)  # a row's name with each folder
    kl, _, mine, _ = said.strip().split("\n\n")
    assert "0.1" in kl.split() and "0.2" not in kl.split() and "3.00 (2.00 to 4.00)" in mine and "2.50 (1.00 to 4.00)" in mine


def test_every_figure_is_a_column_of_a_run(tmp_path):
    """A renamed column would be shown as missing."""
    from report_pages import STEP4, TABLE3, TABLE4

    rows = {"table3": TABLE3, "table4": TABLE4, "step4": {**STEP4, "layer": "total", "change": "found", "kept_at": "chance", "among": "top 30"}}
    said = lines(compare([folder(tmp_path / "one", **{name: [{"model": "tiny", "reward": "mine", **row}] for name, row in rows.items()})]))
    assert [figure.name for figure in FIGURES if said.get(figure.name, ["-"]) == ["-"]] == []


def test_the_command(tmp_path, capsys):
    one = folder(tmp_path / "one", table4=[table4("mine\x1b[31m", 3.0)])
    assert main(["compare", one]) == 0
    assert "3.00 (2.00 to 4.00)" in capsys.readouterr().out
    with pytest.raises(UserError, match="no results folder with tables in it"):
        compare([str(tmp_path)])
