"""Paid answers: kept, never asked for twice, never above the budget; a real server on this machine answers."""

import json

import pytest
from chat_requests import ANSWER, answers, ask, complaint, files, request, settings, texts
from fake_llm import KEY, completion, serve

from rewardscope.explain import client
from rewardscope.explain.answers import FILE, Answer


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


# ---- answers and the cache ---------------------------------------------------------------------
def test_answers_come_in_order_and_are_kept(tmp_path):
    requests = [request(i) for i in (3, 1, 2, 1)]
    with serve(answers, latency=0.02) as server:
        found = ask(requests, settings(server), tmp_path)
        assert texts(found) == ["answer 3", "answer 1", "answer 2", "answer 1"]
        assert found[0] == (Answer("answer 3", "", True, []), pytest.approx(ANSWER))
        assert ask(requests, settings(server), tmp_path) == found
        assert sorted(server.answered) == ["prompt 1", "prompt 2", "prompt 3"]  # and none again
        assert server.keys == {KEY}
        sent = json.loads(next(body for body in server.bodies if b"prompt 3" in body))
    assert sent == {key: value for key, value in request(3).items() if key != "sample"}
    assert client.spent(tmp_path) == pytest.approx(3 * ANSWER)
    assert client.spent(tmp_path / "none") == 0 and not (tmp_path / "none").exists()
    assert KEY.encode() not in files(tmp_path)


def test_a_sample_is_another_request(tmp_path):
    with serve(answers) as server:
        ask([request(1, sample) for sample in (1, 2, 1)], settings(server), tmp_path)
        assert server.answered == ["prompt 1"] * 2
    others = {"model": "n", "temperature": 0.5, "max_tokens": 11, "sample": 2}
    changed = [request(1), *({**request(1), key: value} for key, value in others.items())]
    assert len({client.key_of(own) for own in changed}) == 5


def test_what_is_kept_needs_no_key_and_no_server(tmp_path, monkeypatch):
    with serve(answers) as server:
        found = ask([request(1)], settings(server), tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask([request(1)], settings(None), tmp_path) == found
    assert complaint([request(2)], tmp_path, **settings(None)).startswith("OPENAI_API_KEY is not set")
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX: y")
    assert "holds a space or another character" in complaint([request(2)], tmp_path, **settings(None))


def test_a_broken_cache_is_named(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be looked at" * 9)
    assert complaint([request(1)], tmp_path, **settings(None)).startswith(str(tmp_path / FILE))


# ---- limit and budget --------------------------------------------------------------------------
def test_the_budget_ends_the_job_and_keeps_what_was_paid(tmp_path):
    """Ten answers of $0.02 fit into $0.25 only while the most that the next can cost, 0.06 to 0.07 here, is left."""
    requests = [request(i) for i in range(20)]
    most = client._at_most(requests[0], settings(None))
    assert 0.06 < most < 0.08
    with serve(answers, latency=0.01) as server:
        line = complaint(requests, tmp_path, **settings(server, budget=0.25))
        fit = int((0.25 - most) / ANSWER) + 1
        assert f"the budget is used up: ${fit * ANSWER:.2f} of $0.25 spent" in line and f"with {20 - fit} answers missing" in line
        assert sorted(server.answered) == sorted(f"prompt {i}" for i in range(fit))
        assert texts(ask(requests, settings(server, budget=5.0), tmp_path)) == [f"answer {i}" for i in range(20)]
        assert len(server.answered) == 20
    assert client.spent(tmp_path) == pytest.approx(20 * ANSWER)


def test_costs():
    """By hand: (10 x 1000 + 5 x 2000) / 1e6; without usage the bytes of the messages and all of `max_tokens`."""
    own = settings(None)
    assert client.cost(request(1), completion("m", "x"), own) == pytest.approx(ANSWER)
    sent = '[{"role": "user", "content": "prompt 1"}]'
    assert client.cost(request(1), {**completion("m", "x"), "usage": None}, own) == pytest.approx((len(sent) * 1000 + 10 * 2000) / 1e6)
    assert client.cost(request(1), completion("m", "x"), settings(None, input_price=0.0, output_price=0.0)) == 0
