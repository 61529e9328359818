"""The report: what it says is in the tables, and no text that it shows can become markup or run."""

import base64
import hashlib
import json
import re
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_pages import HOSTILE, PAIR, fires, html, made_up

from rewardscope.errors import UserError
from rewardscope.report import charts, report
from rewardscope.report import features as report_features


class Tags(HTMLParser):
    """Every tag with its attributes, and the text that is shown."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.text.append(text)


def test_hostile_text_adds_no_tag():
    def tags(text: str) -> Tags:
        page, data = made_up(3, text)
        for pair in page["pairs"]:  # else as many lines as there are words
            pair["phrases"] = {"1": [f"“{text}” in 50 % of its completions"]}
        return Tags(report.render(page, data))

    plain, hostile = tags(""), tags(HOSTILE)
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [list(attributes) for _, attributes in hostile.tags] == [list(attributes) for _, attributes in plain.tags]
    assert sum(HOSTILE.replace("\u0000", "")[:40] in text.replace("\u0000", "") for text in hostile.text) >= 5  # it is there, as text


def test_data_comes_back_as_it_was(tmp_path):
    page, data = made_up(2, HOSTILE)
    (tmp_path / "report.html").write_text(report.render(page, data), encoding="utf-8")
    as_shown = json.loads(json.dumps(data, ensure_ascii=False).replace("\u202e", "·").replace("\u2066", "·"))
    assert report.read(tmp_path / "report.html") == as_shown
    block = (tmp_path / "report.html").read_text(encoding="utf-8").split(report.BLOCK)[1].split("</script>")[0]
    assert not set("<>&'") & set(block)


def test_no_character_of_the_file_turns_or_moves_the_text():
    """Raw or not: what JSON escapes and the script would put back are line ends and controls, which a browser does not act on."""
    text = html(3, HOSTILE + "\x1b\x9b\u2028")
    assert {unicodedata.category(c) for c in text.replace("\n", "")}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert "\\u202e" not in text and "<b>··" in text.replace("&lt;", "<").replace("&gt;", ">") and text.encode()
    script, style = (Path(report.__file__).with_name(f"report.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    assert script in text and style in text  # as the policy's hashes have them


def test_nan_is_no_json():
    page, data = made_up(1)
    data["features"][0]["cosine"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        report.render(page, data)


def test_the_policy_allows_the_file_s_own_script_and_style_alone():
    page = html(1)
    policy = dict(Tags(page).tags[3][1])["content"]
    for kind, tag in (("script-src", "<script>"), ("style-src", "<style>")):
        text = page.split(tag)[1].split(tag.replace("<", "</"))[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    assert [a for tag, a in Tags(page).tags if "style" in a or any(name.startswith("on") for name in a)] == []
    assert not re.search(r"""(?:src|href)="(?!#|data:)""", page)


def test_a_section_without_inputs_is_left_out():
    page, data = made_up(0)
    shown = report.render({**page, "completions": [], "training": [], "scores": [], "step4": [], "findings": []}, data)
    assert 'id="verdict"' in shown and 'id="provenance"' in shown
    assert not re.search(r'<section id="(?:features|completions|rlhf|quality|scores|sweeps|changes|findings)"', shown)
    assert [key for key, _ in page["contents"]] == [
        "verdict",
        "findings",
        "beside",
        "rlhf",
        "divergence",
        "scores",
        "completions",
        "changes",
        "tables",
        "provenance",
    ]


# ---- the features ----


def tokens(count: int = 40) -> report_features.Tokens:
    """Documents 0 to 9 of `count` tokens each, at positions from 1 on; a token's id is its document and position."""
    rows = [(document, position, 100 * document + position) for document in range(10) for position in range(1, count + 1)]
    index = pd.DataFrame(rows, columns=["document", "position", "token"]).sample(frac=1, random_state=1)
    return report_features.Tokens(index, report_features.Texts(), lambda document: [f"t{100 * document + p}" for p in range(count + 1)])


def test_a_window_is_the_text_around_the_peak():
    own = tokens()
    (window,) = report_features.windows(fires([(3, 20, 2.0), (3, 22, 8.0), (3, 39, 1.0)]), own)
    shown = [own.texts.texts[t] for t in window["t"]]
    assert shown == [f"t{300 + p}" for p in range(22 - report_features.BEFORE, 22 + report_features.AFTER + 1)]
    assert (window["d"], window["m"], shown[window["p"]]) == (3, 0, "t322")
    assert {shown[i]: v for i, v in enumerate(window["v"]) if v} == {"t320": 25, "t322": 100}


def test_windows_end_with_the_document():
    own = tokens(5)
    (window,) = report_features.windows(fires([(2, 1, 1.0)]), own)
    assert [own.texts.texts[t] for t in window["t"]] == ["t201", "t202", "t203", "t204", "t205"] and window["p"] == 0
    assert report_features.windows(fires([]), own) == []


def test_windows_are_the_strongest_and_the_middling_and_no_text_twice():
    peaks = [(document, 10, 10.0 - document) for document in range(10)]
    found = report_features.windows(fires(peaks), tokens())
    assert [(w["d"], w["m"]) for w in found] == [(0, 0), (1, 0), (2, 0), (3, 0), (5, 1), (6, 1)]
    alike = tokens()
    alike.token = alike.position  # every document says the same
    assert [w["d"] for w in report_features.windows(fires(peaks), alike)] == [0]


def test_histogram_counts_from_0_to_the_largest():
    counts = report_features.histogram(np.array([0.1, 0.1, 12.0, 24.0]))
    assert (counts[0], counts[12], counts[-1], sum(counts), len(counts)) == (2, 1, 1, 4, report_features.BINS)
    assert report_features.histogram(np.array([])) == []


def grouped(*rows: dict) -> pd.DataFrame:
    """Features over seeds, one a row, as `sae.groups` writes them; what a row does not say is of a feature of one seed of two."""
    one = {"run": "run1", "seed": 1, "group": 0, "seeds": 1, "of_seeds": 2, "runs": 1, "of_runs": 1, "nearest_run": "run1", "nearest_seed": 1}
    cosines = {"cosine": 0.5, "own_cosine": 0.9, "group_cosine": 0.5, "group_own_cosine": 0.9}
    return pd.DataFrame([one | cosines | row for row in rows])


def test_an_explanation_says_which_of_its_words_are_shown():
    """`film` stands in a strongest window, `town` in an ordinary one alone; of a language model's sentence words of up to three letters are left out."""
    shown, texts = [{"t": [0, 1], "m": 0}, {"t": [2], "m": 1}], ["A Fi", "lm.", " town"]
    line = {"words": ["Town", "film"], "explainer": "tokens", "activates_on": "Fires on...", "evidence": {"documents": [4], "strongest": 40}}
    assert report_features.sourced(line, shown, texts) == {"seen": ["film"], "unseen": ["town"], "drawn": "40 strongest activations"}
    asked = {"explainer": "openai", "activates_on": "The film, a film of the sea.", "evidence": {"documents": [1, 2]}}
    found = report_features.sourced(asked, shown, texts)
    assert found == {"seen": ["film"], "unseen": [], "drawn": "2 documents with its strongest activations"}


def test_a_feature_over_seeds_lists_its_members():
    rows = [
        {"run": f"run{run}", "seed": seed, "feature": 10 * seed + run, "nearest": -1, "runs": 2, "of_runs": 2} for run in (1, 2) for seed in (1, 2)
    ]
    place = {"pair": PAIR, "layer": 3, "seed": 2}
    (entry,) = report_features.grouped(place, "rlhf", grouped(*rows)).items()
    assert entry[0] == 21 and entry[1]["same"] == [[1, 1, 11], [1, 2, 21], [2, 1, 12], [2, 2, 22]] and entry[1]["near"] is None
    shared = [{**row, "feature": 10 * row["seed"], "of_runs": 1} for row in rows]  # one base of both runs
    assert report_features.grouped(place, "base", grouped(*shared))[20]["same"] == [[1, 1, 10], [1, 2, 20]]


def test_a_feature_of_several_seeds_is_one_thing():
    first, second, other = (
        {"id": f"tiny/utility/run1/{side}/layer3/seed{seed}/feature1", "group": 4} for side, seed in (("rlhf", 1), ("rlhf", 2), ("base", 1))
    )
    assert report_features.thing(first) == report_features.thing(second) != report_features.thing(other)
    assert report_features.held({"in": [2, 3, 1, 1]}) == "in 2 of 3 SAE seeds"
    assert report_features.held({"in": [7, 9, 3, 3]}) == "in 7 of 9 SAEs (3 of 3 runs)"


def test_an_entry_says_what_the_tables_say():
    line = {
        "place": 2, "feature": 5, "activates_on": "Fires on x.", "promotes": "", "words": ["love", "film"], "explainer": "tokens",
        "evidence": {"documents": [3], "strongest": 40},
        "raised": [{"token": " love", "logit": 0.9}, {"token": " of", "logit": 0.1}], "lowered": [{"token": " bad", "logit": -0.5}],
    }  # fmt: skip
    place = {"pair": PAIR, "layer": 3, "seed": 1, "rlhf": [line]}
    matched = pd.DataFrame({"place": pd.array([1, 2, None], dtype="Int32"), "small": [9, 5, 7], "cosine": [0.99, 0.8, np.nan]})
    nulls = pd.DataFrame({"kind": ["covariance"] * 2, "cosines": [[0.7, 0.6], [0.5, 0.4]]})
    changes = pd.DataFrame({"feature": [5], "rate_on_base": [0.1], "rate_on_rlhf": [0.2]})
    groups = grouped({"feature": 5, "nearest": 8, "nearest_seed": 2, "cosine": 0.3, "group_cosine": 0.4, "group_own_cosine": np.nan})
    scores = {"simulation": pd.DataFrame({"feature": [9, 5], "correlation_own": [0.1, 0.4]})}
    (entry,) = report_features.entries(
        place, "rlhf", matched, fires([(3, 20, 2.0)]), tokens(), nulls, changes, groups, {"love": 3.2, "bad": -2.5}, scores
    )
    assert entry["id"] == "tiny/utility/run1/rlhf/layer3/seed1/feature5"
    assert (entry["place"], entry["of"], entry["cosine"], entry["null"]) == (2, 2, 0.8, {"covariance": 0.5})
    assert entry["up"] == [["love", 0.9, 3.2], ["of", 0.1, None]] and entry["down"] == [["bad", -0.5, -2.5]]
    assert (entry["uOn"], entry["uUp"], entry["fires"], entry["max"]) == (3.2, 3.2, 1, 2.0)
    assert (entry["near"], entry["nearCos"], entry["change"], entry["rate"]) == (
        "tiny/utility/run1/base/layer3/seed2/feature8",
        0.3,
        [None, 0.4],
        [0.1, 0.2],
    )
    assert entry["scores"] == {"simulation (correlation)": 0.4}
    told = pd.DataFrame(
        {"feature": [5, 5, 9], "firings": 40, "token": ["romance", "war", "x"], "p_base": [0.0099, 0.2, 0.1], "p_tuned": [0.15, 0.1, 0.2]}
    )
    (now,) = report_features.entries(place, "rlhf", matched, fires([]), tokens(), None, None, None, None, {}, told)
    assert now["now"] == {"n": 40, "p": [["romance", 0.0099, 0.15], ["war", 0.2, 0.1]]}
    (bare,) = report_features.entries(place, "rlhf", matched, fires([]), tokens(), None, None, None, None, {}, told.query("feature == 9"))
    assert bare["null"] == {} and not {"near", "rate", "scores", "uOn", "now"} & set(bare)
    json.dumps([entry, bare], allow_nan=False)
    told = {**place, "rlhf": [{**line, "explainer": "openai", "promotes": "Praise."}]}
    (other,) = report_features.entries(told, "rlhf", matched, fires([]), tokens(), None, None, None, None, {})
    assert (entry["makes"], other["makes"]) == ("", "Praise.")  # what `tokens` says of it stands in `up` and `down`


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


# ---- the terminal ----


def show(*arguments):
    return subprocess.run([sys.executable, "-m", "rewardscope", "show", "feature", *arguments], capture_output=True, text=True, check=False)


def test_a_feature_in_the_terminal(tmp_path):
    file = tmp_path / "report.html"
    file.write_text(html(4, "\x1b[31m\u202e"), encoding="utf-8")
    run = show("tiny/utility/run1/base/layer3/seed1/feature1", "--report", str(file))
    assert run.returncode == 0, run.stderr
    for said in (
        "place 2 of 128",
        'Fires on "word1"',
        "[+3.2]",
        "fires on 10.00% of tokens in base, 20.00% in the tuned model",
        "« film",
        "(40 tokens that the models wrote): romance·[31m· 0.99 to 15 %, war 20 to 9.9 %",
    ):
        assert said in run.stdout
    assert "\x1b" not in run.stdout and "\u202e" not in run.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["tiny/utility/run1/base/layer3/seed1/feature9"], "there are tiny/utility/run1/base/layer3/seed1/feature1"), ([], "which feature?")],
)
def test_a_feature_that_is_not_there(tmp_path, arguments, says):
    file = tmp_path / "report.html"
    file.write_text(html(2), encoding="utf-8")
    with pytest.raises(UserError, match=says):
        report.features(arguments, file)


def test_a_file_that_is_no_report(tmp_path):
    (tmp_path / "x.html").write_text("<html>")
    for file in ("x.html", "none.html"):
        with pytest.raises(UserError, match="cannot be read as a report"):
            report.features(["a"], tmp_path / file)


@pytest.mark.workflow
def test_the_report_of_a_run(finished):
    data = report.read(finished / "results/report.html")
    over_seeds = pd.read_parquet((finished / f"results/{PAIR}").parent / "groups.parquet")
    explained = sorted((finished / f"results/{PAIR}").glob("*/explanations/**/*.jsonl"))
    lines = {file: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] for file in explained}
    assert len(data["features"]) == sum(map(len, lines.values())) > 0
    for entry in data["features"]:
        _, _, _, side, layer, seed, name = entry["id"].split("/")
        (file,) = (f for f in explained if f"/{side}/" in str(f) and f"/{seed}." in str(f))
        line = next(line for line in lines[file] if f"feature{line['feature']}" == name)
        assert (entry["on"], entry["place"]) == (line["activates_on"], line["place"])
        row = over_seeds.query("side == @side and seed == @s and feature == @f", local_dict={"side": side, "s": int(seed[4:]), "f": line["feature"]})
        assert entry["nearCos"] == pytest.approx(row["cosine"].item(), abs=1e-4) and layer == f"layer{row['layer'].item()}"
        assert len(entry["same"]) == entry["in"][0] and [1, int(seed[4:]), line["feature"]] in entry["same"]
        assert sum(entry["hist"]) == entry["fires"] and all(max(w["v"]) <= 100 and w["v"][w["p"]] > 0 for w in entry["win"])
    page = (finished / "results/report.html").read_text(encoding="utf-8")
    assert "Did it learn this reward?" in page and "Do its features hold more" in page
    assert "Every file that this was made from is as its job left it" in page  # the provenance records
