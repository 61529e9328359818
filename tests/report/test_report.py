"""The report: what it says is in the tables, and no text that it shows can become markup or run."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from report_pages import HOSTILE, PAIR, STEP4, TABLE3, TABLE4, completions, fires, html, made_up

from rewardscope.errors import UserError
from rewardscope.report import charts, report, tables, verdict
from rewardscope.report import completions as report_completions
from rewardscope.report import features as report_features
from rewardscope.report import provenance as report_provenance
from rewardscope.report import sections as report_sections


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
    plain, hostile = Tags(html(3)), Tags(html(3, HOSTILE))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [list(attributes) for _, attributes in hostile.tags] == [list(attributes) for _, attributes in plain.tags]
    assert sum(HOSTILE.replace("\u0000", "")[:40] in text.replace("\u0000", "") for text in hostile.text) >= 5  # it is there, as text


def test_data_comes_back_as_it_was(tmp_path):
    page, data = made_up(2, HOSTILE)
    (tmp_path / "report.html").write_text(report.render(page, data), encoding="utf-8")
    assert report.read(tmp_path / "report.html") == data
    block = (tmp_path / "report.html").read_text(encoding="utf-8").split(report.BLOCK)[1].split("</script>")[0]
    assert not set("<>&'") & set(block)


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
    shown = report.render({**page, "completions": [], "training": [], "scores": [], "step4": []}, data)
    assert 'id="verdict"' in shown and 'id="provenance"' in shown
    assert not re.search(r'<section id="(?:features|completions|rlhf|quality|scores|sweeps|changes)"', shown)
    assert [key for key, _ in page["contents"]] == ["verdict", "rlhf", "divergence", "scores", "completions", "changes", "tables", "provenance"]


# ---- the verdict ----


def plain(sentence: verdict.Sentence) -> str:
    return " ".join(sentence).replace("\N{NO-BREAK SPACE}", " ")


def test_three_sentences_with_intervals():
    learned, features, sure = map(plain, verdict.sentences(TABLE3, TABLE4))
    rose = "The mean reward of a completion rose from −0.06 to 1.23: +1.29 (95 % interval 1.15 to 1.44, 100 prompts)."
    assert learned == f"Did it learn this reward? Yes, in this run. {rose}"
    assert "? In part. " in features
    assert "they promote: more, sum of |utility| +33.1 (95 % interval 27.2 to 38.9)." in features
    assert "they fire on: no change shown, +3.20 (95 % interval −10.8 to 17.3)." in features
    assert "One RLHF run." in sure and "other prompts (100) and other SAE seeds (6)" in sure


@pytest.mark.parametrize(
    ("low", "high", "answer", "says"),
    [
        (0.1, 2.0, "Yes, in this run.", "rose"), (-0.1, 2.0, "Not shown.", "That interval holds 0."), (0.0, 2.0, "Not shown.", "That interval holds 0."),
        (-3.0, -0.1, "No: in this run the opposite.", "fell"), (np.nan, np.nan, "This cannot tell.", "no interval"),
    ],
)  # fmt: skip
def test_only_an_interval_without_0_counts(low, high, answer, says):
    row = {**TABLE4, "reward_ci_low": low, "reward_ci_high": high}
    sentence = verdict.sentences(None, row)[0]
    assert sentence.answer == answer and says in sentence.because


INTERVALS = {"up": (1.0, 2.0), "unclear": (-1.0, 1.0), "down": (-2.0, -1.0), "unknown": (np.nan, np.nan)}


@pytest.mark.parametrize(
    ("promotes", "fires", "answer"),
    [
        ("up", "up", "Yes."), ("up", "unclear", "In part."), ("unclear", "up", "In part."), ("unclear", "unclear", "Not shown."),
        ("down", "down", "No, less."), ("unclear", "down", "No."), ("up", "down", "In one way more, in the other less."), ("up", "unknown", "This cannot tell."),
    ],
)  # fmt: skip
def test_both_of_table_3_s_intervals_make_the_answer(promotes, fires, answer):
    row = TABLE3 | dict(zip(("promotes_ci_low", "promotes_ci_high", "ci_low", "ci_high"), INTERVALS[promotes] + INTERVALS[fires], strict=True))
    assert verdict.sentences(row, None)[0].answer == answer


def test_several_runs_are_the_replicates():
    learned, _, sure = map(plain, verdict.sentences({**TABLE3, "unit": "RLHF run", "runs": 5}, {**TABLE4, "runs": 5}))
    assert "Yes, in these 5 runs." in learned
    assert "5 RLHF runs. The intervals say how much other prompts (100) and other RLHF runs (5) would change this" in sure
    assert verdict.sentences(None, None) == []


def test_of_a_reward_without_words_step_4_says_whether_features_changed():
    learned, features, sure = map(plain, verdict.sentences(None, TABLE4, STEP4, words=False))
    assert "Yes, in this run." in learned and "other SAE seeds (6)" in sure
    assert "Did its features change? Yes. Of the 60 best matched features after RLHF, 9.67 have no match before it" in features
    assert "another SAE seed gives 4.00: +5.67 (95 % interval 3.12 to 8.21). This reward has no word list" in features
    assert verdict.sentences(None, TABLE4, {**STEP4, "ci_low": -0.1}, words=False)[1].answer == "Not shown."
    assert verdict.sentences(None, TABLE4, None, words=False)[1].answer == "This cannot tell."
    assert len(verdict.sentences(None, TABLE4, STEP4)) == 2  # it has words, and Table 3 is not among the targets


def test_a_reward_without_words_has_a_figure_of_its_reward_alone():
    row = {**TABLE4, "m_base": np.nan, "m_rlhf": np.nan}
    screen = report_sections.first_screen(None, row, [])
    assert [figure["title"] for figure in screen["figures"]] == ["Reward of a completion"]


@pytest.mark.parametrize(
    ("reward", "says"),
    [
        ({"words": "vader"}, "VADER lexicon, where people rated words from −4 to 4 (“love” +2). The reward of a text is the sum over its words, divided by 5"),
        ({"words": "mine.csv"}, "the lexicon mine.csv"), ({"function": "f.py:likes"}, "the Python function f.py:likes"),
        ({"classifier": {"hub": None, "path": "judge", "positive": "good"}}, "a classifier (judge) takes for good"),
        ({"classifier": {"hub": None, "path": None, "positive": None}}, "a classifier (one trained here on labelled documents) takes for positive"),
    ],
)  # fmt: skip
def test_what_a_reward_likes(reward, says):
    reward = {"words": None, "function": None, "classifier": None} | reward
    assert says in report_completions.described(reward, [[completions(["love"], 1.0)]])


# ---- the features ----


def tokens(count: int = 40) -> report_features.Tokens:
    """Documents 0 to 9 of `count` tokens each, at positions from 1 on; a token's id is its document and position."""
    rows = [(document, position, 100 * document + position) for document in range(10) for position in range(1, count + 1)]
    texts = report_features.Texts(lambda token: f"t{token}")
    return report_features.Tokens(pd.DataFrame(rows, columns=["document", "position", "token"]).sample(frac=1, random_state=1), texts)


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


def test_an_entry_says_what_the_tables_say():
    line = {
        "place": 2, "feature": 5, "activates_on": "Fires on x.", "promotes": "", "words": ["love", "film"], "explainer": "tokens",
        "raised": [{"token": " love", "logit": 0.9}, {"token": " of", "logit": 0.1}], "lowered": [{"token": " bad", "logit": -0.5}],
    }  # fmt: skip
    place = {"pair": PAIR, "layer": 3, "seed": 1, "rlhf": [line]}
    matched = pd.DataFrame({"place": pd.array([1, 2, None], dtype="Int32"), "small": [9, 5, 7], "cosine": [0.99, 0.8, np.nan]})
    nulls = pd.DataFrame({"kind": ["covariance"] * 2, "cosines": [[0.7, 0.6], [0.5, 0.4]]})
    changes = pd.DataFrame({"feature": [5], "nearest": [8], "cosine": [0.3], "null_cosine": [np.nan], "rate_on_base": [0.1], "rate_on_rlhf": [0.2]})
    scores = {"simulation": pd.DataFrame({"feature": [9, 5], "correlation_own": [0.1, 0.4]})}
    (entry,) = report_features.entries(place, "rlhf", matched, fires([(3, 20, 2.0)]), tokens(), nulls, changes, {"love": 3.2, "bad": -2.5}, scores)
    assert entry["id"] == "tiny/utility/run1/rlhf/layer3/seed1/feature5"
    assert (entry["place"], entry["of"], entry["cosine"], entry["null"]) == (2, 2, 0.8, {"covariance": 0.5})
    assert entry["up"] == [["love", 0.9, 3.2], ["of", 0.1, None]] and entry["down"] == [["bad", -0.5, -2.5]]
    assert (entry["uOn"], entry["uUp"], entry["fires"], entry["max"]) == (3.2, 3.2, 1, 2.0)
    assert (entry["near"], entry["nearCos"], entry["seedCos"], entry["rate"]) == (
        "tiny/utility/run1/base/layer3/seed1/feature8",
        0.3,
        None,
        [0.1, 0.2],
    )
    assert entry["scores"] == {"simulation (correlation)": 0.4}
    (bare,) = report_features.entries(place, "rlhf", matched, fires([]), tokens(), None, None, None, {})
    assert bare["null"] == {} and not {"near", "rate", "scores", "uOn"} & set(bare)
    json.dumps([entry, bare], allow_nan=False)
    told = {**place, "rlhf": [{**line, "explainer": "openai", "promotes": "Praise."}]}
    (other,) = report_features.entries(told, "rlhf", matched, fires([]), tokens(), None, None, None, {})
    assert (entry["makes"], other["makes"]) == ("", "Praise.")  # what `tokens` says of it stands in `up` and `down`


# ---- the sections ----


def test_words_of_the_lexicon_are_cut_out_with_their_utility():
    table = {"love": 3.2, "well": 1.1, "don't": -1.0}
    assert report_completions.pieces("I LOVE it, don\u2019t!", table) == [
        ("I ", None),
        ("LOVE", 3.2),
        (" it, ", None),
        ("don\u2019t", -1.0),
        ("!", None),
    ]
    assert report_completions.pieces("well-made", table) == [("well-made", 1.1)]
    assert report_completions.pieces("", table) == []


def test_words_written_more_and_less():
    found = report_completions.words_written([completions(["bad", "love"], 0)], [completions(["love", "love", "best"], 0)])
    assert [(word, before, after) for word, _, before, after in found["more"]] == [("best", 0, 2), ("love", 2, 4)]
    assert [row[0] for row in found["less"]] == ["bad"]


def test_the_rules_that_ran_and_what_they_read():
    def job(rule, reads, writes, seconds):
        return {
            "rule": rule, "inputs": dict.fromkeys(reads, "0"), "outputs": dict.fromkeys(writes, {}), "seconds": seconds, "device": "cpu", "started": "2024",
            "libraries": {"torch": "2"}, "git": {"commit": "abcdef0123456", "clean": False},
        }  # fmt: skip

    jobs = [job("table", ["a", "b"], ["t"], 1.0), job("model", ["given"], ["a"], 2.0), job("model", ["given"], ["b"], 3.0)]
    found = report_provenance.made(SimpleNamespace(jobs=jobs, given={"given": "0"}, gone=["freed"], broken=[]))
    assert found["rules"] == [
        {"rule": "model", "jobs": 2, "seconds": "5.0", "reads": ""},
        {"rule": "table", "jobs": 1, "seconds": "1.0", "reads": "model"},
    ]
    assert found["commits"] == ["abcdef0123 with changes"] and found["graph"].count('class="edge"') == 1


def test_the_rule_graph_leaves_out_what_longer_ways_imply():
    reads = {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "b", "c"}, "e": {"a"}}
    assert report_provenance.direct(reads) == {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"c"}, "e": {"a"}}


@pytest.mark.parametrize(
    ("difference", "low", "high", "text"),
    [
        (0.17, -0.26, 0.6, "+0.17 (−0.26 to 0.60), not shown"),
        (5.67, 3.12, 8.21, "+5.67 (3.12 to 8.21)"),
        (2.0, np.nan, np.nan, "+2.00"),
        (np.nan, np.nan, np.nan, "–"),
    ],
)
def test_a_difference_whose_interval_holds_0_is_not_shown(difference, low, high, text):
    assert report_sections.says({"difference": difference, "ci_low": low, "ci_high": high}) == text


def test_scores_stand_beside_those_of_other_features():
    page, _ = made_up(1)
    (chart,) = page["scores"]
    assert chart["rows"] == [
        {"name": "simulation: correlation", "base": 0.47, "rlhf": 0.51, "other": pytest.approx(0.01), "says": "+0.03 (−0.01 to 0.06), not shown"}
    ]
    assert "base 0.47, RLHF 0.51, other features 0.01" in chart["svg"]


@pytest.mark.parametrize(("picks", "shown"), [({"top1": 3, "top2": 1, "low1": 0}, [1, 3]), ({"low1": 0, "low2": 1}, [0, 1]), ({"layer2": 2}, [2])])
def test_layers_looked_into_are_not_those_of_table_7(picks, shown):
    table = pd.DataFrame({"layer": [0, 1, 2, 3], "distance": [1.0, 2.0, 3.0, 4.0]})
    assert report_sections.layer_charts([("name", table, picks)])[0]["layers"] == shown


def test_a_pair_of_checkpoints_has_no_curves():
    assert report_sections.run_charts([]) == []


def test_a_long_table_is_cut_and_says_so():
    found = tables.listing("tables/x.csv", pd.DataFrame({"a": range(70), "b": [np.nan, 0.123456] * 35}))
    assert (len(found["rows"]), found["left"], found["rows"][0], found["rows"][1]) == (60, 10, ("0", ""), ("1", "0.1235"))


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
    assert "whisker" not in charts.change(10, 40, 30, float("nan"), float("nan"), "said")


def test_names_in_charts_are_text():
    line = charts.Line(HOSTILE, "s0", [1, 2], [0.0, 1.0])
    svgs = [charts.lines([line, line._replace(name="b")], (HOSTILE, HOSTILE), HOSTILE), charts.layered({HOSTILE: set()}, {HOSTILE: HOSTILE})]
    svgs += [charts.dots([(HOSTILE, [charts.Dot(HOSTILE, "base", 1.0)])], HOSTILE, HOSTILE)]
    for svg in svgs:
        assert {tag for tag, _ in Tags(svg).tags} <= {"svg", "path", "text", "circle", "rect", "title"}


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
    for said in ("place 2 of 128", 'Fires on "word1"', "[+3.2]", "fires on 10.00% of tokens in base, 20.00% in RLHF", "« film"):
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
    compared = pd.read_parquet(finished / f"results/{PAIR}/comparison.parquet")
    explained = sorted((finished / f"results/{PAIR}").glob("*/explanations/**/*.jsonl"))
    lines = {file: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] for file in explained}
    assert len(data["features"]) == sum(map(len, lines.values())) > 0
    for entry in data["features"]:
        _, _, _, side, layer, seed, name = entry["id"].split("/")
        (file,) = (f for f in explained if f"/{side}/" in str(f) and f"/{seed}." in str(f))
        line = next(line for line in lines[file] if f"feature{line['feature']}" == name)
        assert (entry["on"], entry["place"]) == (line["activates_on"], line["place"])
        row = compared.query("side == @side and seed == @s and feature == @f", local_dict={"side": side, "s": int(seed[4:]), "f": line["feature"]})
        assert entry["nearCos"] == pytest.approx(row["cosine"].item(), abs=1e-4) and layer == f"layer{row['layer'].item()}"
        assert sum(entry["hist"]) == entry["fires"] and all(max(w["v"]) <= 100 and w["v"][w["p"]] > 0 for w in entry["win"])
    page = (finished / "results/report.html").read_text(encoding="utf-8")
    assert "Did it learn this reward?" in page and "Do its features hold more" in page
    assert "Every file that this was made from is as its job left it" in page  # the provenance records
