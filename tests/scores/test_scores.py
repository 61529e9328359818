"""Scores of explanations: against SciPy and counting, on features whose right explanation is known, with a server played by a function."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from rewardscope.explain.answers import Answer
from rewardscope.scores import scores, windows

TEXTS = dict(enumerate((" the", " film", " a", " good", ".", " actor", " was", " dull")))
FILM, GOOD = 1, 3
PROMPT = "{explanation}\n{items}\n{count}"


def pieces(held: windows.Windows):
    """The tokens of a document as text; the first position is no window's."""
    texts = {document: ["<s>"] for document in held.document.tolist()}
    for document, tokens in zip(held.document.tolist(), held.token.tolist(), strict=True):
        texts[document] += [TEXTS[token] for token in tokens]
    return texts.__getitem__


# ---- the measures ------------------------------------------------------------------------------
def test_correlation_against_scipy():
    rng = np.random.default_rng(1)
    x, y = rng.random((2, 6, 8))
    assert scores.correlation(x, y) == pytest.approx(pearsonr(x.ravel(), y.ravel()).statistic)
    x[2] = np.nan
    kept = [0, 1, 3, 4, 5]
    assert scores.correlation(x, y) == pytest.approx(pearsonr(x[kept].ravel(), y[kept].ravel()).statistic)
    assert scores.correlation(3 * y + 1, y) == pytest.approx(1)
    assert scores.correlation(np.ones((6, 8)), y) == 0  # says the same of every token
    assert np.isnan(scores.correlation(y, np.ones((6, 8)))) and np.isnan(scores.correlation(np.full((6, 8), np.nan), y))


def test_detection_by_counting_pairs():
    rng = np.random.default_rng(2)
    said, fires = rng.integers(0, 11, 30).astype(float), rng.random(30) < 0.4
    pairs = [(a > b) + (a == b) / 2 for a in said[fires] for b in said[~fires]]
    balanced = (np.mean(said[fires] >= 5) + np.mean(said[~fires] < 5)) / 2
    assert scores.detection(said, fires) == pytest.approx({"auroc": np.mean(pairs), "balanced_accuracy": balanced})
    unread = np.append(said, [np.nan, np.nan])
    assert scores.detection(unread, np.append(fires, [True, False])) == scores.detection(said, fires)
    assert scores.detection(np.zeros(30), fires) == {"auroc": 0.5, "balanced_accuracy": 0.5}
    assert np.isnan(list(scores.detection(said, fires | True).values())).all()
    assert scores.detection(np.array([5.0, 4.0]), np.array([True, False]))["balanced_accuracy"] == 1  # 5 says that it fires


@pytest.mark.parametrize("count", [2, 3, 30])
def test_every_explanation_is_another_one_s_baseline(count):
    lines = [{"feature": i} for i in range(count)]
    found = scores.others(lines, 5)
    assert sorted(other["feature"] for other in found) == list(range(count))
    assert all(line["feature"] != other["feature"] for line, other in zip(lines, found, strict=True))
    assert scores.others(lines, 5) == found


def test_one_explanation_has_no_other():
    assert scores.others([{"feature": 4}], 1) == [scores.EMPTY] and scores.others([], 1) == []


# ---- features whose right explanation is known -------------------------------------------------
@pytest.fixture(scope="module")
def planted():
    """Sixty documents of 24 tokens, the first 40 fit. Feature 0 fires on " film", 1 on " good", 2 nowhere."""
    rng = np.random.default_rng(3)
    token = rng.integers(len(TEXTS), size=(60, 24))
    index = pd.DataFrame({"document": np.repeat(range(60), 24), "position": np.tile(range(1, 25), 60), "token": token.ravel()})
    index["part"] = np.where(index["document"] < 40, "fit", "held")
    fires = pd.concat([index[index["token"] == t].assign(feature=f, value=4.0 + f) for f, t in ((0, FILM), (1, GOOD))])
    return windows.cut(index, 8), fires[["feature", "document", "position", "value"]]


def lines(*sentences: str) -> list[dict]:
    return [{"place": i + 1, "feature": i, "activates_on": said, "explainer": "tokens"} for i, said in enumerate(sentences)]


def scored(scorer: str, said: list[dict], planted, count: int = 10) -> pd.DataFrame:
    held, fires = planted
    cases = scores.cases(scorer, said, fires, set(range(40)), held, count, seed=1)
    return scores.score(scorer, cases, scores.by_words(scorer, cases, held, pieces(held)))


RIGHT = lines('Fires on "film".', 'Fires on "good".')
WRONG = lines('Fires on "good".', 'Fires on "film".')


def test_right_explanations_score_high_and_wrong_ones_do_not(planted):
    right, wrong = (scored("simulation", said, planted) for said in (RIGHT, WRONG))
    assert right["correlation_own"].tolist() == pytest.approx([1, 1])
    assert (wrong["correlation_own"] < 0).all() and wrong["correlation_other"].tolist() == pytest.approx([1, 1])
    assert (right["correlation_other"] == wrong["correlation_own"]).all()  # of two, each has the other's
    assert (right["correlation_empty"] == 0).all() and right["other"].tolist() == [1, 0]
    right, wrong = (scored("detection", said, planted) for said in (RIGHT, WRONG))
    assert (right[["auroc_own", "balanced_accuracy_own"]] == 1).all(axis=None)
    assert (abs(wrong["auroc_own"] - 0.5) < 0.25).all() and (right["auroc_empty"] == 0.5).all()
    assert (right["windows"] == 20).all() and (right["fires"] == 10).all()
    assert (right["hard"] == 0).all()  # every " film" activates the feature


def test_scores_are_of_held_documents(planted):
    """What a feature does on fit documents sets its scale and nothing else."""
    held, fires = planted
    turned = fires[(fires["document"] >= 40) | (fires["position"] == 1)]
    for scorer in ("simulation", "detection"):
        pd.testing.assert_frame_equal(scored(scorer, RIGHT, planted), scored(scorer, RIGHT, (held, turned)))
    shown = scores.cases("simulation", RIGHT, fires, set(range(40)), held, 10, seed=1)
    assert all((held.document[case.chosen.number] >= 40).all() and case.values.max() == 1 for case in shown)


def test_activations_are_over_the_largest_on_fit_documents(planted):
    """8 there; of held documents, 2 and 6. Without any there: over the largest on held ones."""
    held, fires = planted
    fires = fires.assign(value=np.where(fires["document"] < 40, 8.0, np.where(fires["position"] % 2, 2.0, 6.0)))
    for said, values in ((fires, [0, 0.25, 0.75]), (fires[fires["document"] >= 40], [0, 2 / 6, 1])):
        for case in scores.cases("simulation", RIGHT, said, set(range(40)), held, 10, seed=1):
            assert np.unique(case.values).tolist() == values


def test_a_feature_that_fires_nowhere(planted):
    found = scored("simulation", lines("", "", "Fires on nothing."), planted).iloc[2]
    assert found["fires"] == 0 and np.isnan(found["correlation_own"])


def test_windows_do_not_depend_on_what_is_said(planted):
    held, fires = planted
    both = [scores.cases("detection", said, fires, set(range(40)), held, 10, seed=1) for said in (RIGHT, WRONG)]
    for a, b in zip(*both, strict=True):
        assert a.chosen.number.tolist() == b.chosen.number.tolist()


# ---- a server, played by a function ------------------------------------------------------------
def reads(request: dict) -> tuple[str, list[str]]:
    said, *items, _count = request["messages"][0]["content"].split("\n")
    return said, [json.loads(item.split(": ", 1)[1]) for item in items]


def honest(requests: list[dict]) -> list[Answer]:
    """10 for every text that holds a quoted word."""
    answers = []
    for said, items in map(reads, requests):
        words = re.findall('"([^"]*)"', said)
        text = "\n".join(f"{i}: {10 * any(word in item for word in words)}" for i, item in enumerate(items, start=1))
        answers.append(Answer(text, "", True, []))
    return answers


def priced(answers: list[Answer]) -> list[tuple[Answer, float]]:
    return [(answer, 0.5) for answer in answers]


@pytest.mark.parametrize("scorer", ["simulation", "detection"])
def test_a_server_that_reads_as_the_simulator_does(scorer, planted):
    held, fires = planted
    cases = scores.cases(scorer, RIGHT, fires, set(range(40)), held, 10, seed=1)
    sent: list[dict] = []

    def ask(requests):
        sent.extend(requests)
        return priced(honest(requests))

    found, costs = scores.by_llm(scorer, cases, held, pieces(held), PROMPT, 7, ask)
    for ours, theirs in zip(scores.by_words(scorer, cases, held, pieces(held)), found, strict=True):
        assert all((ours[name] == theirs[name]).all() for name in scores.EXPLANATIONS)
    asked = [3 * (len(case.chosen.number) if scorer == "simulation" else 1) for case in cases]
    assert len(sent) == sum(asked) and costs == pytest.approx([0.5 * number for number in asked])
    orders = []  # the seed's, again, and another seed's
    for seed in (7, 8):
        orders.append([])
        scores.by_llm(scorer, cases, held, pieces(held), PROMPT, seed, lambda requests: orders[-1].extend(requests) or priced(honest(requests)))
    assert orders[0] == sent != orders[1] and sorted(map(str, sent)) == sorted(map(str, orders[1]))


def test_answers_that_cannot_be_parsed_are_counted_and_left_out(planted):
    held, fires = planted
    cases = scores.cases("simulation", RIGHT, fires, set(range(40)), held, 10, seed=1)

    def ask(requests):
        answers = honest(requests)
        for i, request in enumerate(requests):
            if '"film"' in reads(request)[0] and " the" in reads(request)[1]:
                answers[i] = Answer("It is active on the first.", "", True, [])
        return priced(answers)

    table = scores.score("simulation", cases, scores.by_llm("simulation", cases, held, pieces(held), PROMPT, 7, ask)[0])
    lost = [sum(0 in held.token[n] for n in case.chosen.number) for case in cases]
    assert table["unparsed"].tolist() == lost and min(lost) > 0  # each case is asked about "film" once, as own or other
    assert table["correlation_own"].tolist() == pytest.approx([1, 1])
    silent, _ = scores.by_llm(
        "simulation", cases, held, pieces(held), PROMPT, 7, lambda requests: priced([Answer("", "refusal", True, []) for _ in requests])
    )
    table = scores.score("simulation", cases, silent)
    assert table["correlation_own"].isna().all() and (table["unparsed"] == 3 * table["windows"]).all()
