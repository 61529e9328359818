"""Figure 3: parameter divergence per layer, for each model and reward (Appendix G)."""

import math

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rewardscope.activations.picks import layer_sums
from rewardscope.figures import plots

COLUMNS = ["model", "reward", "layer", "divergence", "low", "high", "runs"]


def points(divergences: list[tuple[str, str, pd.DataFrame]]) -> pd.DataFrame:
    """`COLUMNS` from (model, reward, `layer, tensor, distance`) of every run: mean, lowest and highest over runs.

    A layer's divergence is the sum over its tensors (section 4.1).
    """
    runs = [layer_sums(table).reset_index().assign(model=model, reward=reward) for model, reward, table in divergences]
    over_runs = pd.concat(runs).groupby(["model", "reward", "layer"], sort=False)["distance"]
    return over_runs.agg(divergence="mean", low="min", high="max", runs="count").reset_index()[COLUMNS]


@plots.house()
def draw(points: pd.DataFrame) -> Figure:
    """A panel per model, a line per reward; bars span the runs."""
    models, rewards = points["model"].unique(), points["reward"].unique().tolist()
    columns = min(2, len(models))
    figure, grid = plots.panels(math.ceil(len(models) / columns), columns)
    for axes in grid.flat[len(models) :]:
        axes.remove()
    for axes, model in zip(grid.flat, models, strict=False):
        for reward, line in points[points["model"] == model].groupby("reward", sort=False):
            looks = plots.look(rewards.index(reward))
            plots.interval(axes, line["layer"], line["divergence"], line["low"], line["high"], label=reward, **looks)
        axes.set_title(model)
        axes.set_xlabel("layer (0 is nearest the input)")
        plots.from_zero(axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid[:, 0]:
        axes.set_ylabel("divergence\n(sum of Euclidean distances)")
    plots.legend(figure)
    return figure
