"""The report's section on autoencoders: may what is read in them be trusted?"""

from collections.abc import Iterator
from math import isfinite, nan

import pandas as pd

from rewardscope.report import charts
from rewardscope.report.completions import SIDES


def quality(table: pd.DataFrame, several: bool) -> dict:
    """MMCS of the top k beside its nulls, a row a place, and what else says how good the autoencoders are."""
    rows, lines = [], []
    for line in table.to_dict("records"):
        name = f"{line['model']} {line['reward']} {line['run'].replace('run', 'run ')} " * several + f"layer {line['layer']}, {SIDES[line['side']]}"
        covariance, gaussian = (line.get(f"null_{kind}_mmcs_top_k", nan) for kind in ("covariance", "gaussian"))
        marks = [
            charts.Dot("null: random rows of the activations' covariance", "null-covariance", covariance),
            charts.Dot("null: autoencoders of Gaussian vectors", "null-gaussian", gaussian),
            charts.Dot("MMCS, best matched features", line["side"], line["mmcs_top_k"]),
        ]
        rows.append((name, marks))
        ends = f"{charts.number(line['mmcs_ci_low'])} to {charts.number(line['mmcs_ci_high'])}" if isfinite(line["mmcs_ci_low"]) else "no interval"
        lines.append(
            {"name": name, **line, "matched": f"{charts.number(line['mmcs'])} ({ends})" if isfinite(line["mmcs"]) else "no feature is ranked"}
        )
    label = "; ".join(f"{name}: " + ", ".join(f"{mark.name} {charts.number(mark.x)}" for mark in reversed(marks)) for name, marks in rows)
    return {
        "svg": charts.dots(rows, "mean max cosine similarity of the best matched features", label),
        "rows": lines,
        "gaussian": any(isfinite(gaussian.x) for _, (_, gaussian, _) in rows),  # not of dictionaries that were given
        "doubts": list(doubts(rows)),
    }


def doubts(rows: list[tuple[str, list[charts.Dot]]]) -> Iterator[str]:
    """A sentence for each place whose MMCS is not above every null of it; of `quality`'s rows, where the MMCS is the last mark."""
    for name, (*nulls, measured) in rows:
        reached = [f"{null.name.removeprefix('null: ')}, {charts.number(null.x)}" for null in nulls if measured.x <= null.x]
        if reached:
            yield f"{name}: no better than its null. MMCS {charts.number(measured.x)} ({'; '.join(reached)})."
