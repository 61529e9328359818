"""Table 6: tied against untied weights (Appendix H), and how fast their losses fall."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rewardscope.figures import plots, swept
from rewardscope.stats import t_interval

WEIGHTS = {True: "tied", False: "untied"}
LOSSES = {"loss": "training loss", "mse": "training MSE", "l0": "training L0\n(features active a token)"}


def table(rows: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Per place a line for tied, for untied, and for their difference in the same seeds (same starts and batches).

    Metrics are of held tokens, averaged over layers. Of training, averaged over layers likewise: `loss_epoch`, the mean loss of
    the epoch's steps, and `*_settled`, the steps that the loss and its parts take (`settled`).
    """
    lines = []
    for (place, group), (_, steps) in zip(_places(rows), _places(curves), strict=True):
        seeds = {name: swept.seed_means(group[group["tied"] == tied]).join(_speed(steps[steps["tied"] == tied])) for tied, name in WEIGHTS.items()}
        seeds["untied - tied"] = seeds["untied"] - seeds["tied"]
        common = {**place, "layers": swept.layers_of(group)}
        lines += [{**common, "weights": name, "sae_seeds": len(values), **swept.estimates(values)} for name, values in seeds.items()]
    return pd.DataFrame(lines)


def points(curves: pd.DataFrame) -> pd.DataFrame:
    """The training losses per place, weights and step: averaged over layers, then mean and 95 % t interval over seeds."""
    lines = []
    for place, group in _places(curves):
        seeds = group.assign(untied=~group["tied"]).groupby(["untied", "step", "tokens", "seed"])[list(LOSSES)].mean()
        for (untied, step, tokens), values in seeds.groupby(["untied", "step", "tokens"]):
            line = {**place, "weights": WEIGHTS[not untied], "step": step + 1, "tokens": tokens}
            for name in LOSSES:
                line[name] = values[name].mean()
                line[f"{name}_ci_low"], line[f"{name}_ci_high"] = t_interval(values[name].to_numpy())
            lines.append(line)
    return pd.DataFrame(lines)


def settled(step: np.ndarray, loss: np.ndarray) -> int:
    """Steps after which `loss` `[n]` stays within a tenth of its whole change from where it ends.

    `step` `[n]` counts from 0; the end is the mean of the last tenth. It compares the speed of losses that end at
    different heights.
    """
    end = loss[-max(1, len(loss) // 10) :].mean()
    far = np.abs(loss - end) > abs(loss[0] - end) / 10
    return int(step[far].max(initial=-1)) + 1


def _speed(curves: pd.DataFrame) -> pd.DataFrame:
    """`loss_epoch` and `*_settled` of every seed."""
    speeds = {}
    for seed, group in curves.groupby("seed"):
        mean = group.groupby("step")[list(LOSSES)].mean()  # over layers
        speed = {f"{name}_settled": settled(mean.index.to_numpy(), mean[name].to_numpy()) for name in LOSSES}
        speeds[seed] = {"loss_epoch": mean["loss"].mean(), **speed}
    return pd.DataFrame.from_dict(speeds, orient="index")


def _places(rows: pd.DataFrame) -> Iterator[tuple[dict, pd.DataFrame]]:
    for keys, group in rows.groupby(swept.PLACE, sort=False):
        yield dict(zip(swept.PLACE, keys, strict=True)), group


@plots.house()
def draw(points: pd.DataFrame) -> Figure:
    """A row per model and width, a column per loss; bands are the intervals."""
    places = list(points.groupby(["model", "width"], sort=False))
    figure, grid = plots.panels(len(places), len(LOSSES), height=2.2, sharex="row")
    for i, ((model, width), shown) in enumerate(places):
        for j, (loss, name) in enumerate(LOSSES.items()):
            axes = grid[i, j]
            for k, (weights, line) in enumerate(shown.groupby("weights", sort=False)):
                looks = {key: value for key, value in plots.look(k).items() if key != "marker"}
                axes.plot(line["step"], line[loss], label=weights, **looks)
                low, high = line[f"{loss}_ci_low"], line[f"{loss}_ci_high"]
                axes.fill_between(line["step"], low, high, color=looks["color"], alpha=0.2, linewidth=0)
            plots.logarithmic(axes)
            plots.from_zero(axes)
            axes.set_title(f"{model}, width {width}")
            axes.set_xlabel("step")
            axes.set_ylabel(name)
    plots.legend(figure)
    return figure
