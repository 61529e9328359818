"""The report's colours, numbers and charts."""

import re
from pathlib import Path

import pytest
from report_pages import HOSTILE, Tags

from rewardscope.report import charts, report

# ---- the colours ----

CSS = (Path(report.__file__).parent / "report.css").read_text(encoding="utf-8")


def palettes() -> dict[str, dict[str, str]]:
    """The colours by name as the page has them in light, in dark and in print; dark and print change some of light's."""
    light, dark, paper = (dict(re.findall(r"--(\w[\w-]*): *(#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL))
    return {"light": light, "dark": light | dark, "print": light | dark | paper}


def rgb(colour: str) -> list[float]:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]


def ratio(a: list[float], b: list[float]) -> float:
    """WCAG 2's contrast ratio of two sRGB colours."""

    def luminance(colour):
        return sum(w * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4) for w, v in zip((0.2126, 0.7152, 0.0722), colour, strict=True))

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_ratio_is_wcag_s():
    assert ratio(rgb("#000"), rgb("#fff")) == pytest.approx(21) and ratio(rgb("#767676"), rgb("#ffffff")) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_and_marks_stand_out_from_what_is_behind_them(scheme):
    colour = {name: rgb(value) for name, value in palettes()[scheme].items()}
    pairs = [(text, back, 4.5) for text in ("ink", "soft", "link", "base", "rlhf") for back in ("paper", "card", "band")]
    pairs += [(text, back, 4.5) for text in ("ink", "soft") for back in ("good-back", "bad-back")]
    pairs += [(mark, back, 3.0) for mark in ("good", "bad", "null", "s1", "s2", "s3", "s4", "s5") for back in ("paper", "card")]
    assert [(a, b, round(ratio(colour[a], colour[b]), 2)) for a, b, least in pairs if ratio(colour[a], colour[b]) < least] == []
    for share in (0.1, 0.5, 0.82):  # tokens shaded by activation
        shaded = [share * heat + (1 - share) * card for heat, card in zip(colour["heat"], colour["card"], strict=True)]
        assert ratio(colour["ink"], shaded) >= 4.5, share


# ---- the charts ----


@pytest.mark.parametrize(
    ("value", "text"), [(1.294, "1.29"), (-0.06, "−0.06"), (33.07, "33.1"), (687.4, "687"), (0, "0"), (-0.001, "0"), (float("nan"), "–")]
)
def test_numbers_have_three_digits_that_count(value, text):
    assert charts.number(value) == text


def test_a_change_that_rounds_to_0_has_no_sign():
    assert [charts.signed(value) for value in (0.001, -0.001, 0.5, -0.5)] == ["0", "0", "+0.50", "−0.50"]


def test_an_end_that_rounds_to_0_says_on_which_side_it_is():
    assert [charts.end(value) for value in (-0.0017, 0.004, 0.0, 1e-9, 0.07)] == ["−0.002", "0.004", "0", "0", "0.07"]


def test_bars_are_as_long_as_their_values():
    svg = charts.change(10, 40, 30, 25, 35, "said")
    base, rlhf = (float(width) for width in re.findall(r'<rect[^>]*width="([\d.]+)"', svg))
    assert rlhf == pytest.approx(4 * base, rel=0.01)
    low, high = map(float, re.search(r'whisker difference" d="M([\d.]+) 77H([\d.]+)', svg).groups())
    assert (high - low) / base == pytest.approx(1, rel=0.01)
    assert "whisker" not in charts.change(10, 40, 30, float("nan"), float("nan"), "said") and "twin" not in svg
    marked = charts.change(10, 40, 30, 25, 35, "said", twin=20)
    zero, at = (float(re.search(pattern, marked)[1]) for pattern in (r'class="zero" d="M([\d.]+)', r'null-covariance" d="M([\d.]+)'))
    ten = float(re.search(r'bar base"[^>]*width="([\d.]+)"', marked)[1])
    assert (at - zero) / ten == pytest.approx(2, rel=0.01)


def test_names_in_charts_are_text():
    line = charts.Line(HOSTILE, "s0", [1, 2], [0.0, 1.0])
    svgs = [charts.lines([line, line._replace(name="b")], (HOSTILE, HOSTILE), HOSTILE), charts.layered({HOSTILE: set()}, {HOSTILE: HOSTILE})]
    svgs += [charts.dots([(HOSTILE, [charts.Dot(HOSTILE, "base", 1.0)])], HOSTILE, HOSTILE)]
    for svg in svgs:
        assert {tag for tag, _ in Tags(svg).tags} <= {"svg", "path", "text", "circle", "rect", "title"}


def test_long_names_are_not_cut():
    svg = charts.dots([("tiny utility-placebo run 1 layer 3, base", [charts.Dot("m", "base", 1.0)])], "x", "said")
    width, end, first = (
        float(re.search(f, svg)[1]) for f in (r'viewBox="0 0 ([\d.]+)', r'<text x="([\d.]+)" y="[\d.]+" text-anchor="end"', r'd="M([\d.]+) 6V')
    )
    assert end >= 6.8 * 40 and end < first and width - first > 0.4 * width  # DejaVu Sans at size 12 has 6.8 a character


def test_charts_of_nothing_are_empty():
    assert charts.lines([], ("x", "y"), "") == charts.dots([], "x", "") == ""
