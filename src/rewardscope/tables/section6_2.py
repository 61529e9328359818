"""Section 6.2: does the utility of explanations (Table 3) rise with the utility of completions (Table 4)?"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rewardscope import stats
from rewardscope.errors import UserError
from rewardscope.figures import plots
from rewardscope.seeds import derive
from rewardscope.tables import table3, table4

STATISTICS = {"spearman": stats.spearman, "kendall": stats.kendall}
TEXTS = {"activates_on": "", "promotes": "promotes_"}  # of an explanation, and its prefix in Table 3's columns
ENDS = ("difference", "ci_low", "ci_high")
GROUPS = 5  # independent groups of points that an interval needs


def point(
    places: list[dict], completions: tuple[pd.DataFrame, pd.DataFrame], table: dict[str, float], vocabulary: pd.DataFrame, top_k: int,
    resamples: int, seed: int, names: dict,
) -> dict:  # fmt: skip
    """One RLHF run: its differences in Table 3, over SAE seeds, and in Table 4, over prompts. `names` are the first columns.

    `places` as `explained.places` gives them, `completions` (base, rlhf) as of `table4.row`.
    """
    three = table3.row(table3.measured(places, table, top_k, vocabulary), places, top_k, {})
    four = table4.row([completions], table, resamples, seed, {}, [])
    explained = {f"{text}_{end}": three[prefix + end] for text, prefix in TEXTS.items() for end in ENDS}
    return {**names, **{f"completions_{end}": four[end] for end in ENDS}, **explained, "sae_seeds": three["sae_seeds"]}


def correlations(points: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Rank correlation of either text's differences with the completions', over points, a line per text and statistic.

    Points of one model and run are a group: their prompts are the same. (A base that is shared all
    points of a model share: it moves them alike.) The interval is over
    groups, and nan below `GROUPS` of them. `within`: the mean of the correlations inside the groups, which what a group has in common cannot make.
    Raises UserError where there is no point.
    """
    if points.empty:
        raise UserError("section 6.2 compares tuning runs by a word table, and no reward of pairs has one; there is nothing to make")
    lines = []
    for text in TEXTS:
        measured = points[points[["completions_difference", f"{text}_difference"]].notna().all(axis=1)]  # a run without features has no point
        x, y = (measured[f"{name}_difference"].to_numpy(float) for name in ("completions", text))
        groups = measured.groupby(["model", "run"]).ngroup().to_numpy()
        for name, statistic in STATISTICS.items():
            low, high = stats.group_interval(statistic, x, y, groups, GROUPS, resamples, derive(seed, "section6.2", text, name))
            inside = [float(statistic(x[groups == g], y[groups == g])) for g in np.unique(groups) if (groups == g).sum() > 1]
            within = float(np.nanmean(inside)) if not np.isnan(inside).all() else np.nan
            line = {
                "text": text,
                "statistic": name,
                "value": float(statistic(x, y)) if len(x) else np.nan,
                "ci_low": low,
                "ci_high": high,
                "within": within,
            }
            counts = {f"{kind}s": measured[kind].nunique() for kind in ("model", "reward", "run")}
            lines.append(line | {"points": len(measured), "groups": len(np.unique(groups)), **counts})
    return pd.DataFrame(lines)


@plots.house()
def draw(points: pd.DataFrame, correlations: pd.DataFrame) -> Figure:
    """A panel per text, a point per run; bars: t interval over SAE seeds, bootstrap interval over prompts."""
    figure, grid = plots.panels(1, len(TEXTS), height=3.4)
    for axes, text in zip(grid[0], TEXTS, strict=True):
        for i, (names, runs) in enumerate(points.groupby(["model", "reward"], sort=False)):
            looks = plots.look(i) | {"linestyle": "none", "label": ", ".join(names)}
            x, y = (runs[f"{name}_difference"] for name in ("completions", text))
            bars = {
                axis: np.abs(np.stack([runs[f"{name}_{end}"] - runs[f"{name}_difference"] for end in ENDS[1:]]))
                for axis, name in (("xerr", "completions"), ("yerr", text))
            }
            axes.errorbar(x, y, **bars, elinewidth=0.7, **looks)
        rho = correlations[(correlations["text"] == text) & (correlations["statistic"] == "spearman")].iloc[0]
        title = f"Spearman {rho['value']:.2f} ({rho['ci_low']:.2f} to {rho['ci_high']:.2f})"
        why = f"{rho['groups']} independent groups" + " that say the same" * bool(rho["groups"] >= GROUPS)
        title = f"Spearman {rho['value']:.2f}, no interval: {why}" if np.isnan(rho["ci_low"]) else title
        title = "too few or equal values for a correlation" if np.isnan(rho["value"]) else title
        axes.set_title(f"{text}, runs: {rho['points']}\n{title}")
        axes.axhline(0, color=plots.INK, linewidth=0.8)
        axes.set_xlabel("completions (Table 4): sum of |U|, tuned - base")
        axes.set_ylabel("explanations (Table 3):\nsum of |U|, tuned - base")
    plots.legend(figure)
    return figure
