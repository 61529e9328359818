"""The report's section on crosscoders."""

import pandas as pd
from report_pages import made_up

from rewardscope.report import crosscoder as report_crosscoder
from rewardscope.report import report

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


def test_a_crosscoder_without_a_feature_of_one_side():
    (none,) = report_crosscoder.crosscoders(pd.DataFrame([counted("utility", None) | {"rlhf_alone": 0}]), pd.DataFrame([OWN]).head(0), several=False)
    assert none["told"] == [] and none["left"] == 0
