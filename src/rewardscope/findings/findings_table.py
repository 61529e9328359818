"""The table of findings: over all runs of a reward the best of each kind of context, with the runs and SAE seeds that say the same."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from rewardscope.errors import UserError, brief
from rewardscope.findings.kinds import FEATURES, NOT_GIVEN, WITH, WITHOUT
from rewardscope.findings.score import FIRINGS, same
from rewardscope.text import plain

COLUMNS = [
    "model", "reward", "method", "mode", "contexts", "rank", "score", "threshold", "twin", "shown", "runs", "of_runs", "seeds", "of_seeds", "gain",
    "sentence", "fires_on", "more", "less", "example", "run", "pick", "layer", "seed", "context", "firings", "problem",
]  # fmt: skip
EMPTY = f"no feature that fires on {FIRINGS} tokens has a score above 0"


def rows(findings: pd.DataFrame, twins: pd.DataFrame | None, kept: int, threshold: float, names: dict) -> list[dict]:
    """The rows of one model and reward, `names` first. `findings`, `twins`: `PAIR/findings.parquet` of every run, with a column `run`.

    `twin`: the largest score that the same kind of context reaches in a run of a twin, read with the true reward. `shown`: the score is above
    `threshold` and, with the reward, above the twin's. Without a reward a twin changes as much: then no twin sets the threshold.
    `runs`, `seeds`: how many runs, and how many SAE seeds of all runs, have a row of that kind above its threshold that says the same: half of the
    tokens that either writes more often. Among `names` is `problem`, why there is no list with the reward where there is none.
    """
    out = []
    for (mode, kind), group in findings.groupby(["mode", "contexts"], sort=False):
        beside = twins[(twins["mode"] == mode) & (twins["contexts"] == kind)] if twins is not None else None
        twin = beside["score"].max() if beside is not None and len(beside) else float("nan")
        least = max(threshold, twin) if mode == WITH and twin == twin else threshold
        group = group.sort_values("score", ascending=False, kind="stable")
        raised = [{token["token"] for token in more} for more in group["more"]]
        strong = group["score"].to_numpy() > least
        chosen: list[int] = []
        for i in range(len(group)):
            if len(chosen) < kept and not any(same(raised[i], raised[j]) for j in chosen):
                chosen.append(i)
        for rank, i in enumerate(chosen, start=1):
            row = group.iloc[i]
            alike = [j for j in range(len(group)) if (strong[j] or j == i) and (j == i or same(raised[i], raised[j]))]
            others = group.iloc[alike]
            out.append(
                {
                    **names, "mode": mode, "contexts": kind, "rank": rank, "score": row["score"], "threshold": least, "twin": twin,
                    "shown": bool(strong[i]), "runs": others["run"].nunique(), "of_runs": findings["run"].nunique(),
                    "seeds": len(others[["run", "pick", "seed"]].drop_duplicates()),
                    "of_seeds": len(group[["run", "pick", "seed"]].drop_duplicates()), "gain": row["gain"], "sentence": row["sentence"],
                    "fires_on": " ".join(row["fires_on"]), "more": " ".join(token["token"] for token in row["more"]),
                    "less": " ".join(token["token"] for token in row["less"]), "example": next(iter(row["examples"]), ""),
                    **{name: row[name] for name in ("run", "pick", "layer", "seed", "context", "firings")},
                }
            )  # fmt: skip
    return out


def unscored(scored: list[dict], runs: int, threshold: float, names: dict) -> list[dict]:
    """A row in place of the features of each list that has none among `found`, so that an empty list is told of too: rank 0 and no score.

    `names` as of `rows`: with a `problem` in them no list with the reward is expected.
    """
    expected = [WITHOUT] if names["problem"] else [WITH, WITHOUT]
    missing = [mode for mode in expected if (mode, FEATURES) not in {(row["mode"], row["contexts"]) for row in scored}]
    nothing = {"rank": 0, "score": float("nan"), "threshold": threshold, "shown": False, "runs": 0, "of_runs": runs, "seeds": 0, "of_seeds": 0}
    return [{**names, "mode": mode, "contexts": FEATURES, **nothing} for mode in missing]


def problem(of_run: dict[str, str]) -> str:
    """Why runs have no list with the reward, from what `findings.facts` says of each; with the runs that it is of, where it is not of all."""
    runs: dict[str, list[str]] = {}
    for run, why in of_run.items():
        runs.setdefault(why, []).append(run)
    return "; ".join(f"{', '.join(some)}: {why}" if len(runs) > 1 else why for why, some in runs.items() if why)


def without(rows: pd.DataFrame) -> str:
    """The `problem` of the rows of a list; empty where there is none."""
    why = rows["problem"].iloc[0]
    return "" if pd.isna(why) else why


def named(model: str, reward: str, why: str, method: object) -> str:
    """What a list is of; `why`: its `problem`, `method`: its rows', empty where a checkpoint was given."""
    if why == NOT_GIVEN:
        return f"{model}, {reward}"
    here = isinstance(method, str) and method  # a table read from its file has nan where it was empty
    return f"{model}, tuned by {method} on {reward}" if here else f"{model}, tuned checkpoint given, read with {reward}"


def told(file: str | Path) -> list[str]:
    """The findings of features that a table shows, as lines for a terminal: sentence, score, who says the same.

    Raises UserError where the file is no such table.
    """
    try:
        return [plain(line) for line in _lines(pd.read_csv(file))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: cannot be read as the table of findings ({brief(error)}); `snakemake {file}` makes it") from error


def _lines(table: pd.DataFrame) -> Iterator[str]:
    for (model, reward, mode), rows in table[table["contexts"] == FEATURES].groupby(["model", "reward", "mode"], sort=False):
        why = without(rows)
        yield f"{named(model, reward, why, rows['method'].iloc[0])}; {mode}{f' ({why})' * bool(why)}:"
        for row in rows[rows["shown"]].to_dict("records"):
            yield f"  {row['rank']}. {row['sentence']}"
            yield f"     score {row['score']:.1f} of {row['threshold']:.1f}; {row['runs']} of {row['of_runs']} runs"
        if rows["score"].isna().all():
            yield f"  {EMPTY}"
        elif not rows["shown"].any():
            yield f"  nothing above {rows['threshold'].iloc[0]:.1f}; the highest score is {rows['score'].max():.1f}"
