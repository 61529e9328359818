"""Figure 4: one point per width, penalty and coefficient."""

import math

import numpy as np
import pandas as pd
from swept_rows import swept_rows

from rewardscope.figures import figure4


def rows() -> pd.DataFrame:
    settings = [(width, on, l1, seed, layer) for width in (8, 16) for on, values in (("activations", (0.1, 0.01)), ("weights", (0.1,)))
                for l1 in values for seed in (1, 2) for layer in (3, 2)]  # fmt: skip
    frame = swept_rows(**dict(zip(("width", "l1_on", "l1_coefficient", "seed", "layer"), zip(*settings, strict=True), strict=True)))
    frame["l0"] = 100 * frame["l1_coefficient"] + frame["seed"] + 10 * frame["layer"]
    return frame.assign(recipe_l1=np.where(frame["l1_on"] == "activations", 0.02, math.nan))


def test_points():
    found = figure4.points(rows())
    assert found[["width", "l1_on", "l1_coefficient", "layers", "sae_seeds"]].values.tolist() == [
        [width, on, l1, "2 3", 2] for width in (8, 16) for on, l1 in (("activations", 0.1), ("activations", 0.01), ("weights", 0.1))
    ]
    assert found["l0"].tolist() == [10 + 1.5 + 25, 1 + 1.5 + 25, 10 + 1.5 + 25] * 2
    assert found["l0_over_100"].tolist() == (found["l0"] / 100).tolist()
    assert found["recipe_l1"].isna().tolist() == [False, False, True] * 2


def test_a_panel_per_penalty_and_a_line_per_metric_and_width():
    figure = figure4.draw(figure4.points(rows()))
    assert [axes.get_title() for axes in figure.axes] == ["tiny: L1 on feature activations", "tiny: L1 on dictionary weights"]
    lines = [container.lines[0] for container in figure.axes[0].containers]
    assert [container.get_label() for container in figure.axes[0].containers] == [
        f"{name}, width {width}" for width in (8, 16) for name in ("L0 / 100", "FVU")
    ]
    assert lines[0].get_xdata().tolist() == [0.01, 0.1] and np.allclose(lines[0].get_ydata(), [0.275, 0.365])
    only = rows()
    assert len(figure4.draw(figure4.points(only[only["l1_on"] == "weights"])).axes) == 1
