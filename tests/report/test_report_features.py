"""The features in the report: windows, histograms and what is said of them is in the tables."""

import json

import numpy as np
import pandas as pd
from report_pages import PAIR, fires

from rewardscope.report import features as report_features


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
    (entry,) = report_features.grouped(place, "rlhf", grouped(*reversed(rows))).items()
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
