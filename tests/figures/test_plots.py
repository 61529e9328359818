"""The house style: the same bytes on every run, series that can be told apart, bars only where there is an interval."""

import math

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from rewardscope.figures import plots


@plots.house()
def drawn():
    figure, grid = plots.panels(1, 2)
    for i, axes in enumerate(grid[0]):
        plots.interval(axes, [1, 2, 3], [4.0, 5.0, 6.0], [3.0, 5.0, math.nan], [4.5, 5.0, math.nan], label="seen", **plots.look(i))
        axes.set_xlabel("step")
    plots.legend(figure)
    return figure


def test_two_renders_are_byte_equal_whatever_the_user_s_style(tmp_path):
    kinds = ("svg", "png")
    plots.save(drawn(), *(tmp_path / f"one.{kind}" for kind in kinds))
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": None, "savefig.dpi": 30, "lines.linewidth": 9}):
        plots.save(drawn(), *(tmp_path / f"two.{kind}" for kind in kinds))
    for kind in kinds:
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()
    svg = (tmp_path / "one.svg").read_text()
    assert "<text" not in svg and "<dc:date>" not in svg  # text is drawn as paths: no reader's font is needed


def test_a_shared_label_stands_in_the_legend_once():
    assert [text.get_text() for text in drawn().legends[0].get_texts()] == ["seen"]


def test_bars_only_where_there_is_an_interval():
    segments = drawn().axes[0].containers[0].lines[2][0].get_segments()
    heights = [np.ptp(segment[:, 1]) for segment in segments if len(segment) and not np.isnan(segment).any()]
    assert heights == [1.5]


def test_neighbours_differ_in_colour_marker_line_and_grey():
    for i in range(6):
        a, b = plots.look(i), plots.look(i + 1)
        assert all(a[key] != b[key] for key in a)
    greys = [float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114))) for colour in plots.COLOURS]
    assert min(abs(a - b) for a, b in zip(greys, greys[1:], strict=False)) > 0.05
    assert plots.look(7)["color"] == plots.look(0)["color"] and plots.look(7)["linestyle"] != plots.look(0)["linestyle"]


@pytest.mark.parametrize("labels", [1, 5])
def test_legend_has_as_many_columns_as_it_needs(labels):
    with plots.house():
        figure, grid = plots.panels(1, 1)
        for i in range(labels):
            grid[0, 0].plot([0, 1], [i, i], label=str(i))
        plots.legend(figure)
    assert figure.legends[0]._ncols == min(4, labels)
