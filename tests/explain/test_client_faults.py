"""What goes wrong between the client and a real server on this machine: tried again, or told in one line without the key."""

import json
import socket
import sqlite3
import time
from collections import Counter

import pytest
from chat_requests import ANSWER, LIMITED, answers, ask, at_first, complaint, files, half_fail, request, settings, texts
from fake_llm import KEY, serve

from rewardscope.explain import client
from rewardscope.explain.answers import FILE


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


FAULTS = {
    "429": (429, LIMITED),
    "429, again after": (429, LIMITED, {"Retry-After": "1"}),
    "500": (500, {"error": {"message": "oh"}}),
    "503, no JSON": (503, "<html>busy</html>"),
    "cut": "cut",
    "truncated": "truncated",
    "no choices": (200, {"error": {"message": "overloaded"}}),
    "hangs": 3.0,
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_tried_again(what, tmp_path):
    with serve(answers, at_first(FAULTS[what])) as server:
        asked = time.monotonic()
        assert texts(ask([request(1)], settings(server, timeout=1.0), tmp_path)) == ["answer 1"]
        assert len(server.times) == 2 and server.answered == ["prompt 1"]
    # a server that hangs may hear of the request late, on a busy machine, when the client's second has begun
    waited = server.times[1] - (asked if what == "hangs" else server.times[0])
    assert waited > {"429, again after": 1.0, "hangs": 1.0 + 0.375}.get(what, 0.375)  # half a second, less up to a quarter


def test_waits_grow_and_differ(tmp_path):
    """Half a second, then one, each less a random part: jobs that failed together do not come back together."""
    failed = Counter()

    def twice(_n: int, prompt: str):
        failed[prompt] += 1
        return (500, {}) if failed[prompt] < 3 else None

    with serve(answers, twice) as server:
        ask([request(i) for i in range(8)], settings(server, concurrency=8), tmp_path)
    at = {f"prompt {i}": [] for i in range(8)}
    for body, when in zip(server.bodies, server.times, strict=True):
        at[json.loads(body)["messages"][0]["content"]].append(when)
    first, second = ([times[n + 1] - times[n] for times in at.values()] for n in (0, 1))
    assert min(first) > 0.375 and min(second) > 0.75
    assert max(first) - min(first) > 0.01


def test_half_of_the_requests_fail(tmp_path):
    """Every answer comes, and each was given once."""
    with serve(answers, half_fail(1)) as server:
        found = ask([request(i) for i in range(60)], settings(server, concurrency=16, retries=16), tmp_path)
        assert texts(found) == [f"answer {i}" for i in range(60)]
        assert Counter(server.answered) == dict.fromkeys([f"prompt {i}" for i in range(60)], 1)
        assert len(server.times) > 90
    assert client.spent(tmp_path) == pytest.approx(60 * ANSWER)


SERVER_SAYS = {
    "401": (
        401,
        {"error": {"message": f"Incorrect API key provided: {KEY}"}},
        "refuses the key in OPENAI_API_KEY (401): Incorrect API key provided: [key]",
    ),
    "401, no JSON": (401, "no", "refuses the key in OPENAI_API_KEY (401): no"),
    "403": (403, {"error": {"message": f"not for {KEY[:-3]}***"}}, "refuses the key in OPENAI_API_KEY (403): not for [key]***"),
    "403 of a key": (403, {"error": "this api_key may not use m"}, "refuses the key in OPENAI_API_KEY (403): this api_key may not use m"),
    "403 of a place": (403, {"error": {"message": "not in your country"}}, "answers 403: not in your country"),
    "403 of a proxy": (
        403,
        "<html><style>b{x:y}</style><meta name='keywords'><b>Blocked</b> by key policy 7</html>",
        "answers 403: Blocked by key policy 7",
    ),
    "403, empty": (403, "", "answers 403: Forbidden"),
    "400": (400, {"error": {"message": f"max_tokens is not known, dear\n{KEY}"}}, "answers 400: max_tokens is not known, dear [key]"),
    "404": (404, {"error": {"message": "there is no model m"}}, "answers 404: there is no model m"),
    "404, error": (404, {"error": "model m is not here, pull it"}, "answers 404: model m is not here, pull it"),
    "404, detail": (404, {"detail": "Not Found"}, "answers 404: Not Found"),
    "404, long": (404, {"message": "m" * 500}, f"answers 404: {'m' * 200}"),
    "404, text": (404, "404 page not found", "answers 404: 404 page not found"),
    "422, list": (422, {"detail": [{"msg": "no such field"}]}, 'answers 422: [{"msg": "no such field"}]'),
}


@pytest.mark.parametrize("case", SERVER_SAYS)
def test_a_refusal_is_one_line_and_nothing_is_lost(case, tmp_path):
    status, body, said = SERVER_SAYS[case]
    with serve(answers, lambda _n, prompt: (status, body) if prompt == "prompt 9" else None) as server:
        line = complaint([request(i) for i in range(20)], tmp_path, **settings(server))
        assert line == f"{server.url}: {said}" and KEY[:-3] not in line
        assert server.times and Counter(server.answered).most_common(1)[0][1] == 1
        given = sorted(server.answered)
    assert {file.name for file in tmp_path.iterdir()} == {FILE, "opening", "asking"}  # and nothing that would pile up
    with sqlite3.connect(tmp_path / FILE) as db:
        kept = [json.loads(row)["messages"][0]["content"] for (row,) in db.execute("SELECT request FROM answers")]
    assert sorted(kept) == given and len(given) >= 9


def test_an_error_that_stays(tmp_path):
    with serve(answers, lambda _n, _prompt: (429, LIMITED, {"Retry-After": "600"})) as server:
        assert "answers 429 (try again after 600 s)" in complaint([request(1)], tmp_path, **settings(server))
        assert len(server.times) == 1  # the client waits two minutes at most
    with serve(answers, lambda _n, _prompt: "truncated") as server:
        assert "no answer can be read in what it sent 2 times" in complaint([request(1)], tmp_path, **settings(server, retries=1))
    with serve(answers, lambda _n, _prompt: 3.0) as server:
        assert "no answer within 0.3 seconds, 2 times" in complaint([request(1)], tmp_path, **settings(server, retries=1, timeout=0.3))
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    said = complaint([request(1)], tmp_path, **settings(None, base_url=url, retries=1))
    assert said.startswith(f"{url}: cannot be reached") and "Connection refused" in said


def test_an_echoed_key_is_not_kept(tmp_path):
    with serve(lambda _prompt: f"you sent {KEY}") as server:
        assert texts(ask([request(1)], settings(server), tmp_path)) == ["you sent [key]"]
    assert KEY.encode() not in files(tmp_path)


@pytest.mark.parametrize(("start", "end", "said"), [(0, 8, "[key]"), (5, 14, "[key]"), (20, 28, "[key]"), (4, 28, "[key]"), (9, 16, KEY[9:16])])
def test_a_part_of_the_key_is_not_kept_either(start, end, said, tmp_path):
    """From eight signs on, wherever they stand in it, in an answer, its reasoning and a complaint; also where JSON writes letters as numbers."""
    assert len(KEY) == 28
    part = KEY[start:end]
    message = {"role": "assistant", "content": f"you sent {part}, {part}", "reasoning": part}
    body = json.dumps({"choices": [{"message": message}]})
    escaped = body.replace(part, "".join(f"\\u{ord(sign):04x}" for sign in part))
    for i, text in enumerate((body, escaped)):
        with serve(answers, lambda _n, _prompt, text=text: (200, text)) as server:
            assert texts(ask([request(1)], settings(server), tmp_path / f"{i}")) == [f"you sent {said}, {said}"]
    assert (part.encode() in files(tmp_path)) == (said != "[key]")
    with serve(answers, lambda _n, _prompt: (400, f"no {part}!")) as server:
        assert f"answers 400: no {said}!" in complaint([request(1)], tmp_path / "none", **settings(server))


def test_parts_that_overlap():
    assert client._without("abcdefghijkl", "x abcdefghijkl abcdefghefghijkl y abcdefg") == "x [key] [key][key] y abcdefg"
    assert client._without("none", "none nonenone") == "none nonenone"


@pytest.mark.parametrize("path", ["", "/", "/api", "/v1"])
def test_an_address_that_may_be_incomplete(path, tmp_path):
    """Hinted at where nothing is at the address, or a page."""
    for fault, said in (((404, {"detail": "Not Found"}), "answers 404: Not Found"), ((200, "<html>Chat</html>"), "sent 1 times: Chat")):
        with serve(answers, lambda _n, _prompt, fault=fault: fault) as server:
            line = complaint([request(1)], tmp_path, **settings(server, base_url=server.url.removesuffix("/v1") + path, retries=0))
        assert said in line and line.endswith("; most servers' addresses end in /v1: is llm.base_url complete?") == (path != "/v1")


def test_a_prompt_that_nobody_knows_fails_a_test(tmp_path):
    with pytest.raises(AssertionError), serve(answers) as server:
        other = {**request(1), "messages": [{"role": "user", "content": "hi"}]}
        assert "a prompt that this server does not know" in complaint([other], tmp_path, **settings(server))
