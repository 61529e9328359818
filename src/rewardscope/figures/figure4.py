"""Figure 4: reconstruction and true sparsity against the L1 coefficient (Appendix H)."""

import pandas as pd
from matplotlib.figure import Figure

from rewardscope.figures import plots, swept

PENALTIES = {"activations": "L1 on feature activations", "weights": "L1 on dictionary weights"}
PAPER = (0.001, 0.002)  # the range that the paper found suitable


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per place, penalty and coefficient: metrics averaged over the layers, with intervals over seeds.

    `rows`: as `swept.gather` has them, with `recipe_l1`: the coefficient that the recipe itself has, nan for the other penalty.
    FVU is averaged over layers, not the error and the variance apart.
    """
    lines = [
        dict(zip([*swept.PLACE, "l1_on", "l1_coefficient", "recipe_l1"], keys, strict=True))
        | {"layers": swept.layers_of(group), "sae_seeds": group["seed"].nunique()}
        | swept.estimates(swept.seed_means(group))
        for keys, group in rows.groupby([*swept.PLACE, "l1_on", "l1_coefficient", "recipe_l1"], sort=False, dropna=False)
    ]
    return pd.DataFrame(lines)


@plots.house()
def draw(points: pd.DataFrame) -> Figure:
    """A row per model, a column per penalty: FVU and L0 / 100 of both widths on one axis, as the paper has them."""
    models, penalties = points["model"].unique(), [name for name in PENALTIES if (points["l1_on"] == name).any()]
    figure, grid = plots.panels(len(models), len(penalties), height=3.0, sharey="row")
    for i, model in enumerate(models):
        for j, penalty in enumerate(penalties):
            axes, shown = grid[i, j], points[(points["model"] == model) & (points["l1_on"] == penalty)].sort_values("l1_coefficient")
            axes.axvspan(*PAPER, color="#DDDDDD", label="range of the paper")
            if shown["recipe_l1"].notna().any():
                axes.axvline(shown["recipe_l1"].iloc[0], color=plots.INK, linestyle=":", label="coefficient of the recipe")
            for size, (width, line) in enumerate(shown.groupby("width")):
                for metric, scale, name in (("l0", 100, "L0 / 100"), ("fvu", 1, "FVU")):
                    y, low, high = (line[metric + end] / scale for end in ("", "_ci_low", "_ci_high"))
                    looks = plots.look(2 * (metric == "fvu") + size)
                    plots.interval(axes, line["l1_coefficient"], y, low, high, label=f"{name}, width {width}", **looks)
            plots.logarithmic(axes)
            axes.set_title(f"{model}: {PENALTIES[penalty]}")
            axes.set_xlabel("L1 coefficient")
        grid[i, 0].set_ylabel("L0 / 100 (features active a token)\nFVU (1 - variance explained)")
        plots.from_zero(grid[i, 0])
    plots.legend(figure, columns=3)
    return figure
