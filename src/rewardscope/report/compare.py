"""Two results folders side by side: their settings where they differ, and the same headline figures of each model and reward."""

from math import isfinite
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rewardscope.columns import columns
from rewardscope.errors import UserError
from rewardscope.report.charts import number


class Figure(NamedTuple):
    """A headline figure: a table, the values that its row has beside model and reward, and the columns of estimate, lower and upper end."""

    name: str
    table: str
    row: dict[str, str]
    columns: tuple[str, str, str]


def _ends(prefix: str) -> tuple[str, str, str]:
    return f"{prefix}difference", f"{prefix}ci_low", f"{prefix}ci_high"


STEP4 = {"layer": "total", "change": "found", "kept_at": "chance", "among": "top"}
FIGURES = [
    Figure("reward of completions, tuned - base", "table4", {}, _ends("reward_")),
    Figure("the same less the twins'", "table4", {}, ("reward_over_twin", "reward_over_twin_ci_low", "reward_over_twin_ci_high")),
    Figure("signed utility that features promote, tuned - base", "table3", {}, _ends("promotes_signed_")),
    Figure("the same less random rows'", "table3", {}, ("promotes_signed_net", "promotes_signed_net_ci_low", "promotes_signed_net_ci_high")),
    Figure("utility of the words that they fire on (the paper's), tuned - base", "table3", {}, _ends("")),
    Figure("features found, beyond another SAE seed", "step4", STEP4, _ends("")),
]
MISSING = "-"


def compare(folders: list[str], width: int | None = None) -> str:
    """What two or more results folders say of each model and reward that one of them has, in lines of text, for a terminal of `width` if any.

    Raises UserError where a folder holds no table.
    """
    tables = [_tables(folder) for folder in folders]
    pairs = list(dict.fromkeys(pair for held in tables for table in held.values() for pair in _pairs(table)))
    lines = [*_settings(folders, tables, width)]
    for model, reward in pairs:
        rows = [[f"{model}, {reward}", *folders]]
        for figure in FIGURES:
            cells = [_cell(held.get(figure.table), model, reward, figure) for held in tables]
            rows += [[figure.name, *cells]] * (set(cells) != {MISSING})
        cells = [_finding(held.get("findings"), model, reward) for held in tables]
        rows += [["first finding with the reward, its score", *cells]] * (set(cells) != {MISSING})
        lines += ["", *columns(rows, width)] if len(rows) > 1 else []
    return "\n".join(lines)


def _tables(folder: str) -> dict[str, pd.DataFrame]:
    files = {name: Path(folder) / f"tables/{name}.csv" for name in ("table1", "table2", "table3", "table4", "step4", "findings")}
    held = {name: pd.read_csv(file) for name, file in files.items() if file.is_file()}
    if not held:
        raise UserError(f"{folder}: no results folder with tables in it ({folder}/tables/table3.csv and others); `snakemake` makes one")
    return held


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    rows = table[["model", "reward"]].dropna() if {"model", "reward"} <= {*table} else ()
    return list(rows.itertuples(index=False, name=None)) if len(rows) else []


def _settings(folders: list[str], tables: list[dict[str, pd.DataFrame]], width: int | None) -> list[str]:
    """The settings of tuning and autoencoders (Tables 1 and 2) that are not the same wherever there are any."""
    used: dict[tuple[str, ...], list[str]] = {}
    for place, held in enumerate(tables):
        for name in ("table1", "table2"):
            for _, row in held.get(name, pd.DataFrame()).iterrows():
                key = tuple(
                    str(row[column]) for column in ("model", "reward", "run", "recipe", "setting") if column in row and row[column] == row[column]
                )
                used.setdefault(key, [MISSING] * len(folders))[place] = str(row["used"])
    differing: dict[tuple[str, ...], list[str]] = {}  # a setting that differs in the same way for many runs is told once
    for key, values in used.items():
        if len(set(values) - {MISSING}) > 1:
            differing.setdefault((key[-1], *values), []).append("/".join(key[:-1]))
    rows = [[f"{setting} ({of[0]}{f' and {len(of) - 1} more' if len(of) > 1 else ''})", *values] for (setting, *values), of in differing.items()]
    if not rows:
        return ["No setting differs that stands in Table 1 or 2 of more than one."]
    return list(columns([["settings that differ", *folders], *rows], width))


def _cell(table: pd.DataFrame | None, model: str, reward: str, figure: Figure) -> str:
    if table is None or not {"model", "reward", figure.columns[0], *figure.row} <= {*table}:
        return MISSING
    rows = table[(table["model"] == model) & (table["reward"] == reward)]
    for column, value in figure.row.items():
        rows = rows[rows[column].astype(str).str.startswith(value)]
    if rows.empty:
        return MISSING
    estimate, low, high = (float(rows.iloc[0].get(column, float("nan"))) for column in figure.columns)
    if not isfinite(estimate):
        return MISSING
    return f"{number(estimate)} ({number(low)} to {number(high)})" if isfinite(low) and isfinite(high) else f"{number(estimate)} (no interval)"


def _finding(table: pd.DataFrame | None, model: str, reward: str) -> str:
    if table is None or table.empty:
        return MISSING
    rows = table[(table["model"] == model) & (table["reward"] == reward) & (table["mode"] == "with the reward") & (table["contexts"] == "features")]
    rows = rows[rows["rank"] == 1]
    return MISSING if rows.empty else f"{number(rows.iloc[0]['score'])}, {'shown' if rows.iloc[0]['shown'] else 'not shown'}"
