"""The report's charts: small SVG whose colours come from the page's style sheet, so that they follow its light and dark mode.

matplotlib's SVG holds inline styles, which the report's content security policy forbids, and fixed colours.
"""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

TEXT = 6.2  # mean width of a character at the charts' font size of 12, in the units of the view box
WIDE = 6.8  # the same of the widest of the page's fonts, for text that would be cut


class Line(NamedTuple):
    """A series of a line chart."""

    name: str
    look: str
    """Class in the style sheet: `base`, `rlhf`, or `s0` to `s5`."""
    x: Sequence[float]
    y: Sequence[float]


class Dot(NamedTuple):
    """A mark in a row of a dot chart."""

    name: str
    look: str
    x: float
    low: float = float("nan")
    high: float = float("nan")


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers, the first at or below `low` and the last at or above `high`."""
    high = high if high > low else low + 1
    return [float(t) for t in MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]


def number(value: float) -> str:
    """A number as the report writes it: three digits that count, a true minus."""
    if not isfinite(value):
        return "–"
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    text = text if float(text) else "0"
    return text.replace("-", "\N{MINUS SIGN}")


def end(value: float) -> str:
    """An interval's end: as `number`, but with one digit where that is 0, which is on neither side."""
    text = number(value)
    return f"{value:.1g}".replace("-", "\N{MINUS SIGN}") if text == "0" and abs(value) > 1e-4 else text


def signed(value: float) -> str:
    """A change as the report writes it: its plus too."""
    text = number(value)
    return f"+{text}" if value > 0 and text != "0" else text


def _label(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _svg(width: float, height: float, label: str, body: list[str]) -> Markup:
    return Markup(
        f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="0 0 {width:g} {height:g}" width="{width:g}">{"".join(body)}</svg>'
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _mark(look: str, x: float, y: float, label: str) -> str:
    """A mark whose shape tells its kind too: a circle for base, a diamond for RLHF, a stroke for a null."""
    title = f"<title>{escape(label)}</title>"
    if look == "rlhf":
        return f'<path class="mark rlhf" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z">{title}</path>'
    if look.startswith("null"):
        return f'<path class="mark {look}" d="M{x:.1f} {y - 6:.1f}v12">{title}</path>'
    return f'<circle class="mark {look}" cx="{x:.1f}" cy="{y:.1f}" r="5">{title}</circle>'


def dots(
    rows: list[tuple[str, list[Dot]]], axis: str, label: str, start: float | None = None, width: float = 430,
    alike: Sequence[tuple[str, list[Dot]]] = (),
) -> Markup:  # fmt: skip
    """A row per name with marks on one axis, whiskers from `low` to `high` where there are any; `start`: a value the axis holds.

    Long names make it wider than `width`. `alike`: rows of other charts, which then have the same axis at the same place.
    """
    values = [v for _, marks in (*rows, *alike) for m in marks for v in (m.x, m.low, m.high) if isfinite(v)]
    values += [start] if start is not None else []
    if not rows or not values:
        return Markup("")
    at = ticks(min(values), max(values))
    left = min(360, 14 + WIDE * max(len(name) for name, _ in (*rows, *alike)))
    width = max(width, left / 0.55)
    right, height = width - 16, 26 * len(rows) + 10

    def x(value: float) -> float:
        return left + (value - at[0]) / (at[-1] - at[0]) * (right - left)

    body = [f'<path class="{"zero" if t == 0 else "grid"}" d="M{x(t):.1f} 6V{height}"/>' for t in at]
    body += [_text(x(t), height + 15, _label(t), "tick", "middle") for t in at]
    for i, (name, marks) in enumerate(rows):
        y = 6 + 26 * (i + 0.5)
        body.append(_text(left - 8, y + 4, name, "", "end"))
        both = {"base", "rlhf"} <= {m.look for m in marks}  # then base stands a little higher, so that neither hides the other
        for mark in (m for m in marks if isfinite(m.x)):
            y = 6 + 26 * (i + 0.5) + both * {"base": -4, "rlhf": 4}.get(mark.look, 0)
            told = f"{mark.name}: {number(mark.x)}"
            if isfinite(mark.low) and isfinite(mark.high):
                body.append(f'<path class="whisker {mark.look}" d="M{x(mark.low):.1f} {y:.1f}H{x(mark.high):.1f}"/>')
                told += f" ({number(mark.low)} to {number(mark.high)})"
            body.append(_mark(mark.look, x(mark.x), y, told))
    body.append(_text(min((left + right) / 2, width - WIDE * len(axis) / 2), height + 32, axis, "axis", "middle"))
    return _svg(width, height + 38, label, body)


def change(base: float, rlhf: float, difference: float, low: float, high: float, label: str, twin: float = float("nan")) -> Markup:
    """Base and RLHF as bars from 0 and, on the same scale below them, the difference with its interval, and the twin's difference if known."""
    values = [v for v in (0.0, base, rlhf, difference, low, high, twin) if isfinite(v)]
    at = ticks(min(values), max(values), 4)
    width, left, right, bottom = 320.0, 78.0, 270.0, 122 if isfinite(twin) else 96

    def x(value: float) -> float:
        return left + (value - at[0]) / (at[-1] - at[0]) * (right - left)

    body = [f'<path class="{"zero" if t == 0 else "grid"}" d="M{x(t):.1f} 4V{bottom}"/>' for t in at]
    body += [_text(x(t), bottom + 15, _label(t), "tick", "middle") for t in at]
    for y, name, look, value in ((8, "base", "base", base), (36, "tuned", "rlhf", rlhf)):
        body.append(_text(left - 8, y + 15, name, "", "end"))
        if isfinite(value):
            body.append(f'<rect class="bar {look}" x="{x(min(0.0, value)):.1f}" y="{y}" width="{max(1.5, abs(x(value) - x(0.0))):.1f}" height="20"/>')
            body.append(_text(max(x(0.0), x(value)) + 5, y + 15, number(value), "value"))
    body.append(_text(left - 8, 81, "difference", "", "end"))
    if isfinite(low) and isfinite(high):
        body.append(f'<path class="whisker difference" d="M{x(low):.1f} 77H{x(high):.1f}M{x(low):.1f} 72v10M{x(high):.1f} 72v10"/>')
    if isfinite(difference):
        body.append(f'<circle class="mark difference" cx="{x(difference):.1f}" cy="77" r="4.5"/>')
        end = max(difference, high) if isfinite(high) else difference
        body.append(_text(x(end) + 8, 81, signed(difference), "value"))
    if isfinite(twin):
        body += [_text(left - 8, 107, "its twin's", "", "end"), _mark("null-covariance", x(twin), 103, f"its twin's difference: {number(twin)}")]
        body.append(_text(x(twin) + 8, 107, signed(twin), "value"))
    return _svg(width, bottom + 20, label, body)


def lines(series: list[Line], axes: tuple[str, str], label: str, marked: Sequence[float] = (), integers: bool = False) -> Markup:
    """A line chart from 0 or below; `axes` names x and y, `marked` are x with a band behind them, `integers` are the x ticks."""
    points = [(a, b) for line in series for a, b in zip(line.x, line.y, strict=True) if isfinite(a) and isfinite(b)]
    if not points:
        return Markup("")
    width, left, top, bottom, right = 440.0, 52.0, 26.0, 200.0, 428.0
    across = [p[0] for p in points]
    least, most = min(p[1] for p in points), max(p[1] for p in points)
    down = ticks(least if least < -0.03 * abs(most) else 0.0, most)  # a KL of -1e-8 needs no tick below 0
    low, high = (min(across) - 0.4, max(across) + 0.4) if integers else (min(across), max(across))
    along = sorted(set(across)) if integers and len(set(across)) <= 12 else [t for t in ticks(low, high) if low <= t <= high]

    def x(value: float) -> float:
        return left + (value - low) / ((high - low) or 1) * (right - left)

    def y(value: float) -> float:
        return bottom - (value - down[0]) / (down[-1] - down[0]) * (bottom - top)

    band = 0.5 * (x(low + 0.8) - x(low))
    body = [f'<rect class="band" x="{x(m) - band:.1f}" y="{top}" width="{2 * band:.1f}" height="{bottom - top}"/>' for m in marked]
    body += [f'<path class="{"zero" if t == 0 else "grid"}" d="M{left} {y(t):.1f}H{right}"/>' for t in down]
    body += [_text(left - 6, y(t) + 4, _label(t), "tick", "end") for t in down]
    body += [_text(x(t), bottom + 16, _label(t), "tick", "middle") for t in along]
    for line in series:
        here = [(x(a), y(b)) for a, b in zip(line.x, line.y, strict=True) if isfinite(a) and isfinite(b)]
        body.append(f'<path class="line {line.look}" d="M{"L".join(f"{a:.1f} {b:.1f}" for a, b in here)}"/>')
        if len(here) <= 40:
            body += [f'<circle class="mark {line.look}" cx="{a:.1f}" cy="{b:.1f}" r="2.6"/>' for a, b in here]
    body += [_text((left + right) / 2, bottom + 34, axes[0], "axis", "middle"), _text(left - 40, top - 13, axes[1], "axis")]
    names = [line for i, line in enumerate(series) if line.name not in {other.name for other in series[:i]}]
    at, row, key = left, bottom + 54, []
    for line in names if len(names) > 1 else []:
        if at > left and at + 26 + TEXT * len(line.name) > right:
            at, row = left, row + 17
        key += [f'<path class="line {line.look}" d="M{at:.1f} {row - 4:.1f}h18"/>', _text(at + 23, row, line.name)]
        at += 38 + TEXT * len(line.name)
    return _svg(width, (row if key else bottom + 36) + 8, label, [*body, *key])


def layered(edges: dict[str, set[str]], notes: dict[str, str]) -> Markup:
    """A graph of rules, each below all that it needs: rule -> rules whose outputs it reads, and a note under each name."""
    depth: dict[str, int] = {}

    def of(rule: str) -> int:
        if rule not in depth:
            depth[rule] = 1 + max((of(other) for other in edges.get(rule, ()) if other != rule), default=-1)
        return depth[rule]

    rows: dict[int, list[str]] = {}
    for rule in sorted(edges):
        rows.setdefault(of(rule), []).append(rule)
    widest = max(map(len, rows.values()), default=1)
    box, gap, step, place = 140.0, 10.0, 74.0, {}
    width = widest * (box + gap) + gap
    for level, names in sorted(rows.items()):

        def centre(rule: str) -> float:
            above = [place[other][0] for other in edges[rule] if other in place]
            return sum(above) / len(above) if above else 0.0

        free = (width - len(names) * (box + gap)) / 2
        for i, rule in enumerate(sorted(names, key=lambda rule: (centre(rule), rule))):
            place[rule] = (free + gap / 2 + i * (box + gap), 6 + level * step)
    body = []
    for rule, (left, top) in place.items():
        for other in sorted(edges[rule] - {rule}):
            a, b = place[other][0] + box / 2, place[other][1] + 36
            c = left + box / 2
            body.append(f'<path class="edge" d="M{a:.1f} {b:.1f}C{a:.1f} {b + 24:.1f} {c:.1f} {top - 24:.1f} {c:.1f} {top:.1f}"/>')
    for rule, (left, top) in place.items():
        body.append(f'<rect class="node" x="{left:.1f}" y="{top:.1f}" width="{box}" height="36" rx="6"/>')
        body.append(_text(left + box / 2, top + 15, rule, "rule", "middle") + _text(left + box / 2, top + 29, notes.get(rule, ""), "tick", "middle"))
    return _svg(width, 6 + len(rows) * step - 30, "graph of the rules that ran, each below those whose outputs it reads", body)


def run_charts(runs: list[tuple[str, pd.DataFrame]]) -> list[dict]:
    """Reward and KL by update, a line a run: (name, training table) each; nothing of pairs that were tuned elsewhere.

    Of several methods also reward by KL, in the order of the updates: they can be compared where the curves pass the same KL.
    """
    if not runs:
        return []
    out, methods = [], {name: table["method"].iloc[0].upper() for name, table in runs}
    several = len(set(methods.values())) > 1
    runs = [(f"{name} ({methods[name]})" if several else name, table) for name, table in runs]
    update = "update" if several else f"{next(iter(methods.values()))} update"
    shown = (("Reward", "reward", "mean reward of an update's episodes"), ("KL", "kl", "KL from the base model, nats a response"))
    for title, column, unit in shown:
        drawn = [Line(name, f"s{i % 6}", table["update"].tolist(), table[column].tolist()) for i, (name, table) in enumerate(runs)]
        last = "; ".join(f"{line.name} from {number(line.y[0])} to {number(line.y[-1])}" for line in drawn)
        out.append({"title": title, "svg": lines(drawn, (update, unit), f"{title}: {last}")})
    if several:
        drawn = [Line(name, f"s{i % 6}", table["kl"].tolist(), table["reward"].tolist()) for i, (name, table) in enumerate(runs)]
        label = "Reward by KL: " + "; ".join(f"{line.name} to {number(line.y[-1])} at {number(line.x[-1])}" for line in drawn)
        axes = ("KL from the base model, nats a response", "mean reward of an update's episodes")
        out.append({"title": "Reward by KL", "svg": lines(drawn, axes, label)})
    return out
