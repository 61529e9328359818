"""The house style of figures: readable in print, in greyscale and by colour-blind readers; the same bytes on every run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rewardscope.files import whole

WIDTH = 7.0  # inches: a page's text
INK = "#333333"
# Okabe and Ito's palette without its yellow, too pale on white; neighbours differ in lightness too
COLOURS = ("#0072B2", "#E69F00", "#000000", "#56B4E9", "#D55E00", "#CC79A7", "#009E73")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "errorbar.capsize": 2.5,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "rewardscope",  # ids in the file depend on its content alone
}


@contextmanager
def house() -> Iterator[None]:
    """The style, whatever the user's matplotlibrc says; also a decorator."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def panels(rows: int, columns: int, height: float = 2.6, **shared) -> tuple[Figure, np.ndarray]:
    """A figure and its `[rows, columns]` axes, as wide as the page or, of one column, three fifths of it.

    `height` of a row in inches, `shared` as of `subplots`.
    """
    figure = Figure(figsize=(WIDTH if columns > 1 else 0.6 * WIDTH, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def look(i: int) -> dict:
    """Colour, marker and line of the i-th series: each of them tells it from its neighbours."""
    return {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "linestyle": LINES[i % len(LINES)]}


def interval(axes: Axes, x, y, low, high, **looks) -> None:
    """A line through `y` `[n]` with bars from `low` to `high`; no bar where they are nan or at `y` itself."""
    bars = np.stack([np.subtract(y, low), np.subtract(high, y)])
    bars = np.where(bars > 0, bars, np.nan)
    axes.errorbar(x, y, yerr=None if np.isnan(bars).all() else bars, elinewidth=0.9, **looks)


def logarithmic(axes: Axes) -> None:
    """A logarithmic x axis, its ticks written out."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")


def from_zero(axes: Axes) -> None:
    """The y axis from 0 to a little above what is drawn."""
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def legend(figure: Figure, columns: int = 4) -> None:
    """One legend below the panels; a label that several of them share stands in it once."""
    once = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            once.setdefault(label, handle)
    figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=min(columns, len(once)), handlelength=3.2)


def save(figure: Figure, svg: str | Path, png: str | Path) -> None:
    """Write both forms, without a date or a version in them."""
    with house():
        with whole(svg) as file:
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        with whole(png) as file:
            figure.savefig(file, format="png", metadata={"Software": None})
