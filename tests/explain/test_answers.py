"""What is an answer and what is not, by files of tests/inputs/answers; a file of answers that holds what is none."""

import json
import sqlite3

import pytest
from fake_llm import CASES, KEY, completion, serve

from rewardscope.errors import UserError
from rewardscope.explain import answers, client

ANSWER = 0.02  # dollars: 10 tokens read at $1,000 a million, 5 written at $2,000
SENT = '[{"role": "user", "content": "%s"}]'


def settings(server, **keys) -> dict:
    common = {"concurrency": 60, "retries": 1, "timeout": 5.0, "budget": 1e4, "input_price": 1000.0, "output_price": 2000.0}
    return {"base_url": server.url if server else "http://127.0.0.1:9/v1", **common, **keys}


def request(prompt: str) -> dict:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], "temperature": 1.0, "max_tokens": 10, "sample": 1}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.parametrize("name", CASES)
def test_what_an_answer_is(name):
    answer = answers.read(CASES[name]["response"])
    assert (answer.text, answer.failure) == (CASES[name]["text"], CASES[name]["failure"])
    assert answer.final == (CASES[name]["asked"] == 1)


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (" \n", "empty"),
        (None, "empty"),
        ("I'm sorry, but I cannot help", "refusal"),
        ('"I can\N{RIGHT SINGLE QUOTATION MARK}t tell"', "refusal"),
        ("<think>Let me see.</think>I cannot tell", "refusal"),
        ("sorry figures and apologies", "refusal"),
        ("apologies such as sorry", ""),
    ],
)
def test_refusals(said, failure):
    assert answers.read(completion("m", said)).failure == failure


BROKEN = [None, 7, [], "text", {}, {"choices": None}, {"choices": []}, {"choices": [7]}, {"choices": ["message"]}, {"choices": [{}]}]
BROKEN += [{"choices": [{"message": None}]}, {"choices": [{"message": "text"}]}, {"choices": {"0": {"message": {"content": "x"}}}}]


@pytest.mark.parametrize("response", BROKEN)
def test_what_is_no_chat_completion(response):
    assert answers.read(response) is None


def test_every_answer_is_kept_as_what_it_is(tmp_path):
    """Through the client: how often each is sent for and what it costs; read from the cache as it came; and a server is never asked again."""
    with serve(lambda _prompt: "x", lambda _n, prompt: prompt) as server:
        found = list(client.ask([request(name) for name in CASES], settings(server), tmp_path))
        assert {name: server.answered.count(name) for name in CASES} == {name: case["asked"] for name, case in CASES.items()}
    for (name, case), (answer, dollars) in zip(CASES.items(), found, strict=True):
        assert (answer.text, answer.failure) == (case["text"], case["failure"])
        without_counts = name in ("usage_null", "usage_text", "usage_negative")
        assert dollars == pytest.approx((len(SENT % name) * 1000 + 10 * 2000) / 1e6 if without_counts else case["asked"] * ANSWER)
    again = list(client.ask([request(name) for name in CASES], settings(None), tmp_path))
    assert str(again) == str(found)  # nan among the log-probabilities
    assert client.spent(tmp_path) == pytest.approx(sum(dollars for _, dollars in found))


def test_failures_are_said(tmp_path, caplog):
    caplog.set_level("INFO", logger="rewardscope")
    names = ["cut_off", "refused", "think", "numbers_cut_off"]
    with serve(lambda _prompt: "x", lambda _n, prompt: prompt) as server:
        list(client.ask([request(name) for name in names], settings(server, concurrency=1), tmp_path))
    assert "answers: 4 of 4, $0.08 spent, $9999.92 left, 3 failed" in caplog.messages
    assert caplog.messages[-1] == "3 of 4 requests have no answer: cut off (2), refusal (1)"


def test_a_spoilt_answer_that_comes_right(tmp_path):
    """Its price is in that of the answer."""
    with serve(lambda _prompt: "right", lambda n, _prompt: "finish_error" if n == 0 else None) as server:
        [(answer, dollars)] = client.ask([request("p")], settings(server), tmp_path)
        assert (answer.text, answer.failure, dollars, len(server.bodies)) == ("right", "", pytest.approx(2 * ANSWER), 2)


def test_spoilt_answers_are_within_the_budget(tmp_path):
    """Another try is sent only while the most that it can cost is left; a later run goes on counting tries where this one ended."""
    most = client._at_most(request("p"), settings(None))
    with serve(lambda _prompt: "x", lambda _n, _prompt: "finish_error") as server:
        with pytest.raises(UserError, match=r"the budget is used up: \$0\.02 of"):
            list(client.ask([request("p")], settings(server, budget=most + ANSWER / 2), tmp_path))
        assert len(server.bodies) == 1
        [(answer, dollars)] = client.ask([request("p")], settings(server), tmp_path)
        assert (answer.failure, dollars, len(server.bodies)) == ("finish_reason error", pytest.approx(3 * ANSWER), 3)


def test_what_is_charged_without_an_answer_counts(tmp_path):
    """No chat completion: sent for again as often as `llm.retries` says, then the job ends with the server's words; what it says it took is spent."""
    empty = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
    for body, dollars in ((empty, 2 * ANSWER), ({"error": {"message": "overloaded"}}, 0.0)):
        cache = tmp_path / f"{dollars}"
        with serve(lambda _prompt: "x", lambda _n, _prompt, body=body: (200, body)) as server:
            with pytest.raises(UserError, match=r"no answer can be read in what it sent 2 times: ({\"choices\"|overloaded$)"):
                list(client.ask([request("p")], settings(server), cache))
            assert len(server.bodies) == 2
        assert client.spent(cache) == pytest.approx(dollars)
        with serve(lambda _prompt: "right") as server:
            [(answer, paid)] = client.ask([request("p")], settings(server), cache)
        assert (answer.text, paid) == ("right", pytest.approx(dollars + ANSWER))


POISON = {
    "not json": "{",
    "nested": "[" * 100_000,
    "null": "null",
    "no message": json.dumps({"choices": [{"finish_reason": "stop"}]}),
    "an image": json.dumps(CASES["parts_with_an_image"]["response"]),
    "a number": json.dumps(CASES["content_number"]["response"]),
    "an error": json.dumps(CASES["finish_error"]["response"]),
}
SOUND = {name: json.dumps(CASES[name]["response"]) for name in ("parts", "logprob_null", "usage_null", "cut_off", "think")}


def test_a_file_of_an_earlier_version(tmp_path):
    """What is poisoned is asked for again and its price stays; what is an answer by now, or failed for good, is not."""
    with sqlite3.connect(tmp_path / answers.FILE) as db:
        db.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, request TEXT, response TEXT, cost REAL)")
        for name, text in {**POISON, **SOUND}.items():
            db.execute("INSERT INTO answers VALUES (?, '{}', ?, 0.5)", (client.key_of(request(name)), text))
    with serve(lambda _prompt: "right") as server:
        found = list(client.ask([request(name) for name in [*POISON, *SOUND]], settings(server), tmp_path))
        assert sorted(server.answered) == sorted(POISON)
    assert [(answer.text, dollars) for answer, dollars in found[: len(POISON)]] == [("right", pytest.approx(0.5 + ANSWER))] * len(POISON)
    for name, (answer, dollars) in zip(SOUND, found[len(POISON) :], strict=True):
        assert (answer.text, answer.failure, dollars) == (CASES[name]["text"], CASES[name]["failure"], 0.5)
    assert client.spent(tmp_path) == pytest.approx(0.5 * len(found) + ANSWER * len(POISON))
