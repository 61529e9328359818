"""Rewards, runs and tuning methods side by side: one table, and small charts alike, a frame a reward with its twins in it."""

from collections.abc import Iterator
from math import isfinite

import pandas as pd

from rewardscope.findings.kinds import FEATURES, WITH
from rewardscope.report import charts
from rewardscope.report.completions import SIDES, rewarded
from rewardscope.report.verdict import counted
from rewardscope.stats import t_interval

WIDTH = 330  # of a small chart
COLUMNS = {
    "method": "tuned by", "runs": "runs", "kl": "KL, nats a response", "base": "true reward, base", "rlhf": "tuned",
    "reward_change": "tuned \N{MINUS SIGN} base (95\N{NO-BREAK SPACE}% interval)", "over_twin": "less the twins'",
    "net": "utility of promoted words, tuned \N{MINUS SIGN} base, less random rows'", "finding": "largest finding",
}  # fmt: skip
Marks = list[tuple[str, list[charts.Dot]]]
"""rows of a dot chart"""


def beside(
    groups: dict[tuple[str, str], list[str]], tables: dict[str, pd.DataFrame], completed: dict[str, list[pd.DataFrame]],
    rewards: dict[str, dict], twins: dict[str, str], methods: dict[str, str],
) -> dict | None:  # fmt: skip
    """The section of two or more runs; None of one. `groups`: (model, reward) -> the pairs of its runs; the rest is as `sections.page` takes it.

    Charts of the same measure have the same axis: of every reward that is counted the same way, and of the scores of all findings.
    """
    if sum(map(len, groups.values())) < 2:
        return None
    frames = {here: [here, *(other for other in groups if (other[0], twins.get(other[1])) == here)] for here in groups}
    frames = {here: group for here, group in frames.items() if (here[0], twins.get(here[1])) not in groups}  # a twin stands in its reward's frame
    earned = {here: [row for group in frames[here] for row in rewards_of(group[1], groups[group], completed)] for here in frames}
    measure = {here: measured(rewards[groups[here][0]]) for here in frames}
    scores = {here: scores_of(here, tables.get("tables/findings.csv")) for here in frames}
    reward, score = [], []
    for here in frames:
        name = f"{here[0]}, {here[1]}" + f", and {counted(len(frames[here]) - 1, 'twin')}" * (len(frames[here]) > 1)
        same = [row for other in frames if measure[other] == measure[here] for row in earned[other]]
        reward.append({"title": name, "svg": drawn(earned[here], "mean true reward", same)})
        score.append({"title": name, "svg": drawn(scores[here], "score", [row for rows in scores.values() for row in rows])})
    rows = [line(here, groups[here], tables, twins, methods) for group in frames.values() for here in group]
    return {
        "charts": [
            {"title": "Reward of completions, run by run", "frames": [frame for frame in reward if frame["svg"]]},
            {"title": "The largest score of a finding", "frames": [frame for frame in score if frame["svg"]]},
        ],
        "columns": {key: title for key, title in COLUMNS.items() if any(row[key] for row in rows)}, "rows": rows,
    }  # fmt: skip


def measured(reward: dict) -> str:
    """What counts a reward: rewards of one measure may be tuned on by several methods, or with several coefficients."""
    return repr([reward.get(key) for key in ("words", "function", "classifier", "twin_of")]) if rewarded(reward) else ""


def rewards_of(name: str, pairs: list[str], completed: dict[str, list[pd.DataFrame]]) -> Iterator[tuple[str, list[charts.Dot]]]:
    """A row a run: the true reward's mean over completions, base and tuned, with t intervals over prompts."""
    for pair in pairs:
        run = f", run {pair.rsplit('run', 1)[1]}" * (len(pairs) > 1)
        values = [side["reward"].to_numpy(dtype=float) for side in completed.get(pair, ())]
        marks = [charts.Dot(SIDES[side], side, gains.mean(), *t_interval(gains)) for side, gains in zip(SIDES, values, strict=False)]
        if any(isfinite(mark.x) for mark in marks):  # nan: no reward was given
            yield f"{name}{run}", marks


def best(here: tuple[str, str], table: pd.DataFrame | None) -> dict | None:
    """The row of the first finding with the reward that a feature tells, where one has a score."""
    rows = () if table is None else table[(table["model"] == here[0]) & (table["reward"] == here[1]) & (table["mode"] == WITH)]
    rows = rows[(rows["contexts"] == FEATURES) & (rows["rank"] == 1)].to_dict("records") if len(rows) else []
    return next((row for row in rows if isfinite(row["score"])), None)


def scores_of(here: tuple[str, str], table: pd.DataFrame | None) -> Marks:
    """Its largest score beside the threshold, and that of its twins, read with the true reward."""
    row = best(here, table)
    if row is None:
        return []
    rows = [(here[1], [charts.Dot("threshold", "null-covariance", row["threshold"]), charts.Dot("largest score", "rlhf", row["score"])])]
    return rows + [("its twins", [charts.Dot("the twins' largest score", "rlhf", row["twin"])])] * isfinite(row["twin"])


def drawn(rows: Marks, axis: str, alike: Marks) -> str:
    """One small chart; empty without rows."""
    label = "; ".join(f"{name}: " + ", ".join(f"{mark.name} {charts.number(mark.x)}" for mark in marks) for name, marks in rows)
    return charts.dots(rows, axis, label, 0.0, WIDTH, alike)


def line(here: tuple[str, str], pairs: list[str], tables: dict[str, pd.DataFrame], twins: dict[str, str], methods: dict[str, str]) -> dict[str, str]:
    """A row of the table: what Tables 3 and 4 and the findings say of one model and reward."""
    row3, row4 = (_row(tables.get(f"tables/table{n}.csv"), here) for n in (3, 4))
    finding = best(here, tables.get("tables/findings.csv"))
    return {
        "model": here[0], "reward": here[1] + f", a twin of {twins.get(here[1])}" * (here[1] in twins),
        "method": methods.get(pairs[0], "given"), "runs": len(pairs),
        "kl": charts.number(row4["kl"]) if row4 is not None and isfinite(row4["kl"]) else "",
        **{side: "" if row4 is None else charts.number(row4[f"reward_{side}"]) for side in SIDES},
        "reward_change": between(row4, "reward_", "reward_difference"),
        "over_twin": between(row4, "reward_over_twin_", "reward_over_twin"),
        "net": between(row3, "promotes_signed_net_", "promotes_signed_net"),
        "finding": "" if finding is None else f"{charts.number(finding['score'])} (threshold {charts.number(finding['threshold'])})",
    }  # fmt: skip


def between(row: dict | None, ends: str, column: str) -> str:
    """`+1.29 (1.15 to 1.44)`: a difference and its interval, from a row of a table."""
    if row is None or not isfinite(row[column]):
        return ""
    low, high = row[f"{ends}ci_low"], row[f"{ends}ci_high"]
    interval = f"{charts.number(low)} to {charts.number(high)}" if isfinite(low) and isfinite(high) else "no interval"
    return f"{charts.signed(row[column])} ({interval})"


def _row(table: pd.DataFrame | None, here: tuple[str, str]) -> dict | None:
    rows = [] if table is None else table.to_dict("records")
    return next((row for row in rows if (row["model"], row["reward"]) == here), None)
