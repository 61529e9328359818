"""Crosscoders in the report: their section, their rows in step 4, their features in the browser."""

import pandas as pd
from report_pages import STEP4, made_up

from rewardscope.report import crosscoder as report_crosscoder
from rewardscope.report import features as report_features
from rewardscope.report import report
from rewardscope.report import sections as report_sections

NAN = float("nan")

CROSSCODED = {
    "run": "run1", "layer": 3, "features": 125, "rlhf_alone": 3, "base_alone": 4, "null_features": 124, "null_rlhf_alone": 1, "null_base_alone": 2,
}  # fmt: skip
OWN = {
    "model": "tiny", "reward": "utility", "layer": 3, "feature": 17, "fires": 40, "relative_norm": 0.97, "nu_error": 0.01, "nu_reconstruction": 0.02,
    "activates_on": 'Fires on "<i>".', "promotes": 'Makes "best" more likely.',
}  # fmt: skip


def counted(reward: str, twin_of: str | None) -> dict:
    return {"model": "tiny", "reward": reward, "twin_of": twin_of} | CROSSCODED


def test_crosscoders_own_features_beside_base_against_base_and_a_twin():
    counts = pd.DataFrame([counted("utility", None), counted("placebo", "utility")])
    parts = report_crosscoder.crosscoders(counts, pd.DataFrame([OWN, OWN | {"feature": 5}]), several=True)
    assert [part["title"] for part in parts] == ["tiny, utility, layer 3", "tiny, placebo (a twin), layer 3"]
    assert [[row["feature"] for row in part["told"]] for part in parts] == [[17, 5], []] and [part["left"] for part in parts] == [1, 3]


def test_crosscoders_in_the_page():
    page, data = made_up(1)
    (part,) = report_crosscoder.crosscoders(pd.DataFrame([counted("utility", None)]), pd.DataFrame([OWN]), several=False)
    html = report.render(page | {"crosscoders": [part]}, data)
    assert "<b>layer 3</b>: of 125 features 3 the tuned model's alone, 4 the base's. Base against base: 1 and 2 of 124." in html
    assert "Feature 17: <bdi>Fires on &#34;&lt;i&gt;&#34;.</bdi> <bdi>Makes &#34;best&#34; more likely.</bdi>" in html
    assert "fires on 40 held tokens; relative norm 0.97;" in html and "2 more are not told in words." in html
    assert "crosscoder)" not in report.render(page, data)


def test_a_crosscoder_stands_in_step_4_below_the_paper_s_count_and_out_of_its_chart():
    names = {"model": "tiny", "reward": "utility"}
    joint = {
        "among": "crosscoder", "kept_at": "latent scaling", "features": 125.0, "count": 3.0, "null": 1.0, "difference": 2.0, "twin": 5.0,
        "over_twin": -3.0, **dict.fromkeys(("threshold", "random", "ci_low", "ci_high", "over_twin_ci_low", "over_twin_ci_high"), NAN),
    }  # fmt: skip
    kept = {"change": "kept", "count": 122.0, "null": 123.0}
    table = pd.DataFrame(
        [
            names | STEP4,
            names | STEP4 | joint,
            names | STEP4 | joint | kept,
            names | STEP4 | joint | {"reward": "other"},
            names | STEP4 | joint | {"layer": "3"},
        ]
    )
    (before,), (after,) = report_sections.step4(table.head(1), False), report_sections.step4(table, False)
    assert (after["svg"], after["rows"][0]) == (before["svg"], before["rows"][0]) and len(after["rows"]) == 3
    row = after["rows"][1]
    assert (
        row["name"] == "crosscoder, tuned's alone (of 125; base against base of 124)"
        and row["says"] == "+2.00 (no interval)"
        and row["above"] == "\N{MINUS SIGN}3.00"
    )


def test_a_crosscoder_s_features_are_in_the_browser_on_a_side_of_their_own():
    """By hand, beside another feature; the page is the same without them."""
    line = {
        "feature": 17, "activates_on": 'Fires on "film".', "promotes": "", "words": ["film"], "raised": [{"id": 1, "token": " love", "logit": 0.9}], "lowered": [],
        "evidence": {"strongest": 2, "documents": [7]}, "explainer": "tokens", "alone": "rlhf", "relative_norm": 0.97, "nu_error": 0.01, "nu_reconstruction": NAN,
    }  # fmt: skip
    index = pd.DataFrame({"document": 7, "position": [0, 1], "token": [3, 4]})
    shown = report_features.Tokens(index, report_features.Texts(), lambda _: ["The", " film"])
    fires = pd.DataFrame({"feature": [17, 17, 5], "document": 7, "position": [0, 1, 1], "value": [1.0, 2.0, 9.0]})
    (entry,) = report_crosscoder.entries("pairs/tiny/utility/run1", 3, [line], fires, shown, {"love": 2.0})
    assert entry["id"] == "tiny/utility/run1/crosscoder/layer3/seed1/feature17"
    assert (entry["alone"], entry["norm"], entry["nu"], entry["uUp"]) == ("rlhf", 0.97, [0.01, None], 2.0)
    assert (entry["fires"], entry["max"], [w["v"] for w in entry["win"]]) == (2, 2.0, [[50, 100]])
    page, data = made_up(1)
    html = report.render(page | {"crosscoded": True}, {"tokens": {"tiny": shown.texts.texts}, "features": [*data["features"], entry]})
    assert "Side “crosscoder”" in html and "crosscoder”" not in report.render(page, data)
    assert "crosscoder: alone rlhf, relative norm 0.97, nu 0.01 (error), None (reconstruction)" in list(report._lines(entry, shown.texts.texts))[1]


def test_a_crosscoder_without_a_feature_of_one_side():
    (none,) = report_crosscoder.crosscoders(pd.DataFrame([counted("utility", None) | {"rlhf_alone": 0}]), pd.DataFrame([OWN]).head(0), several=False)
    assert none["told"] == [] and none["left"] == 0
