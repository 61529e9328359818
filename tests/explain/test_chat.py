"""The explainer openai: what is shown of a feature, what is sent, and what is made of the answers."""

import json
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import tiny
from fake_llm import CASES, KEY, serve
from workflow_runs import ROOT

from rewardscope.errors import UserError
from rewardscope.explain import chat, prompts
from rewardscope.explain.chat import explain, levels, shown
from rewardscope.explain.tokens import NEVER
from rewardscope.models.models import pieces

RAISED = [{"token": " tape", "logit": 2.0}, {"token": "reel", "logit": 1.0}]
LOWERED = [{"token": " chair", "logit": -1.5}]
PROMPTS = {kind: prompts.load(prompts.FOLDER / f"{kind}.txt", kind) for kind in prompts.EXPLAINING}
WORDS = {0: " the film was good good", 1: " a bad film", 3: " a good a good a", 4: " film", 5: " the the"}


def words(document: int) -> list[str]:
    """Tokens that are words, with the sign before them."""
    return re.findall(r"\W\w+", WORDS[document])


def fires(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["document", "position", "value"]).astype({"value": "float32"})


def one(rows: list[tuple[int, int, float]], tokens: int = 50, reviews: int = 5, feature: int = 7) -> dict:
    return shown(feature, fires(rows), RAISED, LOWERED, words, tokens, reviews)


def settings(server, **keys) -> dict:
    common = {"concurrency": 4, "retries": 1, "timeout": 5.0, "budget": 10.0, "input_price": 1000.0, "output_price": 2000.0}
    return {"model": "m", "max_tokens": 20, "base_url": server.url, **common, **keys}


# ---- what is shown -----------------------------------------------------------------------------
def test_levels():
    """Ten times the share of the maximum, rounded down: 0.99 of it is 9, itself 10."""
    values = np.array([0.0, 0.09, 0.1, 0.55, 0.99, 1.0]) * 3.7
    assert levels(values, 3.7).tolist() == [0, 0, 1, 5, 9, 10]
    for greatest in np.random.default_rng(0).exponential(size=1000).astype("float32"):
        assert levels(np.array([greatest]), greatest) == 10


def test_what_is_shown_by_hand():
    """The two documents with the greatest single activation of the feature, not the greatest sum."""
    found = one([(0, 3, 2.0), (0, 4, 1.1), (1, 1, 1.5), (3, 1, 1.4), (3, 2, 1.4), (3, 3, 1.4), (4, 0, 0.2)], reviews=2)
    assert found["reviews"] == (
        "<start>\n the\t0\n film\t0\n was\t0\n good\t10\n good\t5\n<end>\n"
        "<start>\n a\t0\n bad\t7\n film\t0\n<end>"
    )  # fmt: skip
    assert found["evidence"] == {"documents": [0, 1], "positions": [3, 1], "values": [2.0, 1.5], "starts": [0, 0]}
    assert (found["feature"], found["raised"], found["lowered"]) == (7, RAISED, LOWERED)
    json.dumps(found)


def test_the_first_tokens_only():
    """A greater activation behind them neither shows nor sets the scale; a feature of later tokens is shown around its own."""
    found = one([(0, 1, 1.0), (0, 4, 9.0), (1, 2, 0.5)], tokens=3)
    assert found["reviews"] == "<start>\n the\t0\n film\t10\n was\t0\n<end>\n<start>\n a\t0\n bad\t0\n film\t5\n<end>"
    late = one([(0, 4, 9.0), (3, 3, 4.5)], tokens=2)
    assert late["evidence"]["starts"] == [3, 2]
    assert late["reviews"] == "<start>\n good\t0\n good\t10\n<end>\n<start>\n a\t0\n good\t5\n<end>"


def test_a_token_is_a_line():
    found = shown(7, fires([(2, 1, 1.0)]), RAISED, LOWERED, lambda _document: ["a\n", "\t", "b\r"], 50, 5)
    assert found["reviews"] == "<start>\na\\n\t0\n\\t\t10\nb\\r\t0\n<end>"


def test_pieces_are_the_tokens_that_the_model_read():
    texts = pd.Series(tiny.texts()[:3], index=[5, 6, 9])
    of = pieces(texts, tiny.tokenizer(), 9)
    assert [len(of(document)) for document in (5, 6, 9)] == [9] * 3
    assert texts[6].startswith("".join(of(6)))
    assert "".join(pieces(texts, tiny.tokenizer(), 500)(9)) == texts[9]


# ---- prompts -----------------------------------------------------------------------------------
def test_prompts_can_be_replaced(tmp_path):
    own = tmp_path / "mine.txt"
    own.write_text("Look: {reviews} {not a place} $x\n")
    assert prompts.fill(prompts.load(own, "explain"), reviews="R") == "Look: R {not a place} $x"
    assert prompts.fill("{a}{b}", a="{b}", b=2) == "{b}2"
    common = {**dict.fromkeys(prompts.OWN.values()), "promotes": False}
    usual = {kind: ROOT / f"workflow/prompts/{kind}.txt" for kind in prompts.PLACES}
    assert prompts.files({**common, "promotes": True}) == usual
    assert prompts.files({**common, "prompt": str(own)}) == {kind: own if kind == "explain" else usual[kind] for kind in usual if kind != "promotes"}
    assert prompts.files({**common, "detect_prompt": str(own)})["detect"] == own
    for text, kind, said in (("{review}", "explain", "no {reviews}, which"), ("x", "promotes", "no {raised} and no {lowered}, which")):
        own.write_text(text)
        with pytest.raises(UserError, match=re.escape(said)):
            prompts.load(own, kind)
    with pytest.raises(UserError, match="cannot be read"):
        prompts.load(tmp_path / "none.txt", "explain")


# ---- answers -----------------------------------------------------------------------------------
@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


FEATURES = [one([(0, 3, 2.0)], feature=3), one([(1, 1, 1.0)], feature=4), shown(5, NEVER, RAISED, LOWERED, words, 50, 5)]


def answer(prompt: str) -> str | None:
    if "more likely" in prompt:
        return "film stock" if '" tape", "reel"' in prompt and '" chair"' in prompt else None
    return "good things" if " good\t10" in prompt else "" if " bad\t10" in prompt else None


def test_lines(tmp_path, key):
    with serve(answer) as server:
        found = explain(FEATURES, {"explain": PROMPTS["explain"]}, [1, 2], settings(server), 0, tmp_path)
        assert len(server.answered) == 4
        first, second, third = (samples[0] for samples in found)
        assert all(samples[0] == samples[1] for samples in found) and len(found) == 3
        assert first == {
            "feature": 3, "activates_on": "good things", "promotes": 'Makes "tape", "reel" more likely, "chair" less so.',
            "raised": RAISED, "lowered": LOWERED, "evidence": FEATURES[0]["evidence"],
            "explainer": "openai:m", "cost": pytest.approx(0.02), "failure": "", "failure_of_promotes": "",
        }  # fmt: skip
        assert (second["activates_on"], second["failure"], second["cost"]) == ("", "empty", pytest.approx(0.02))
        assert (third["activates_on"], third["failure"], third["cost"]) == ("", "never fires", 0)
        both = explain(FEATURES, PROMPTS, [1, 2], settings(server), 0, tmp_path)
        assert [samples[0]["promotes"] for samples in both] == ["film stock"] * 3
        assert both[0][0]["cost"] == pytest.approx(0.04)
        assert len(server.answered) == 4 + 2  # the same tokens promoted by all three are one question per sample


def test_answers_that_are_none(tmp_path, key):
    """Each leaves a line without words that says why and what it cost, of all tries; the second request's stands beside it."""
    names = ["think", "think_cut_off", "cut_off", "finish_error", "refused"]
    features = [one([(0, 3, 1.0), (3, place, (2 * place + 1.5) / 10)], feature=place) for place in range(len(names))]
    which = lambda prompt: names[next(place for place in range(len(names)) if f"\t{2 * place + 1}\n" in prompt)]
    with serve(lambda _prompt: "x", lambda _n, prompt: "think_cut_off" if "more likely" in prompt else which(prompt)) as server:
        found = [line for [line] in explain(features, PROMPTS, [1], settings(server), 0, tmp_path)]
    for name, line in zip(names, found, strict=True):
        assert (line["activates_on"], line["failure"]) == (CASES[name]["text"], CASES[name]["failure"])
        assert (line["promotes"], line["failure_of_promotes"]) == ("", "cut off before an answer")
        assert line["cost"] == pytest.approx(0.02 * (CASES[name]["asked"] + 1))


def test_what_is_sent(tmp_path, key):
    """The bytes: nothing of side, layer, feature or sample; sides shuffled, in an order of their own per seed."""
    sides = {"base": 0.5, "rlhf": 1.0}
    features = [one([(0, 3, 2.0), (0, place, value)], feature=9000 + place) for value in sides.values() for place in (0, 1, 2, 4)]
    orders = []
    for order in (1, 1, 2):
        with serve(lambda prompt: "x") as server:
            explain(features, PROMPTS, [1], settings(server, concurrency=1), order, tmp_path / f"{len(orders)}")
        orders.append(server.bodies)
    assert orders[0] == orders[1] != orders[2] and sorted(orders[0]) == sorted(orders[2])
    for body in orders[0]:
        sent = json.loads(body)
        assert sent.keys() == {"model", "messages", "temperature", "max_tokens"} and sent["temperature"] == 1.0
        assert [message["role"] for message in sent["messages"]] == ["user"]
        assert not re.search(rb"\b(base|rlhf|tuned|fine.tun\w*|PPO|reward|layer|side|run\d|900\d)\b", body, re.IGNORECASE)
    asked = [b"\\t5\\n" in body for body in orders[0] if b"\\t10" in body]  # a second level of 5: rlhf; of 2: base
    assert Counter(asked) == {True: 4, False: 4}
    assert asked not in ([True] * 4 + [False] * 4, [False] * 4 + [True] * 4)


def test_the_default_prompts_say_nothing_of_a_side():
    for text in PROMPTS.values():
        assert not re.search(r"\b(base|rlhf|tuned|reward|sentiment|film|movie|review)\b", text.replace("{reviews}", ""), re.IGNORECASE)
    assert chat.TEMPERATURE == 1.0
