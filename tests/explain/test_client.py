"""Paid answers: retried, kept, never asked for twice, never above limit and budget; a real server on this machine answers."""

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from fake_llm import KEY, completion, serve

from rewardscope.errors import UserError
from rewardscope.explain import client
from rewardscope.explain.answers import FILE, Answer, alone, keep, opened

ANSWER = 0.02  # dollars: 10 tokens read at $1,000 a million, 5 written at $2,000
LIMITED = {"error": {"message": "slow down"}}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def settings(server, **keys) -> dict:
    """The `llm:` section; a place where no server is, for None."""
    common = {"concurrency": 4, "retries": 3, "timeout": 5.0, "budget": 10.0, "input_price": 1000.0, "output_price": 2000.0}
    return {"base_url": server.url if server else "http://127.0.0.1:9/v1", **common, **keys}


def request(i: int, sample: int = 1) -> dict:
    return {"model": "m", "messages": [{"role": "user", "content": f"prompt {i}"}], "temperature": 1.0, "max_tokens": 10, "sample": sample}


def answers(prompt: str) -> str | None:
    return prompt.replace("prompt", "answer") if prompt.startswith("prompt ") else None


def texts(found: list[tuple[Answer, float]]) -> list[str]:
    return [answer.text for answer, _ in found]


def ask(*arguments) -> list[tuple[Answer, float]]:
    return list(client.ask(*arguments))


def complaint(requests: list[dict], cache: Path, **keys) -> str:
    with pytest.raises(UserError) as caught:
        ask(requests, keys, cache)
    assert "\n" not in str(caught.value) and KEY not in str(caught.value)
    return str(caught.value)


def at_first(fault):
    """The fault for the first time that a prompt is asked."""
    seen = set()

    def of(_n: int, prompt: str):
        new = prompt not in seen
        seen.add(prompt)
        return fault if new else None

    return of


def files(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


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


# ---- what goes wrong on the way ----------------------------------------------------------------
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


def half_fail(seed: int):
    """Half of the requests at random: refused for now, an error, a cut connection."""
    rng, hurry = random.Random(seed), {"Retry-After-Ms": "10"}
    faults = [(429, LIMITED, hurry), (500, {}, hurry), "cut"]
    return lambda _n, _prompt: rng.choice(faults) if rng.random() < 0.5 else None


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


ASK = "import json, sys; from pathlib import Path; from rewardscope.explain import client; r, s, c = json.load(sys.stdin); list(client.ask(r, s, Path(c))); print('done')"


def start(requests: list[dict], own: dict, cache: Path) -> subprocess.Popen:
    """`ask` in a process of its own."""
    environment = {**os.environ, "OPENAI_API_KEY": KEY}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen([sys.executable, "-c", ASK], env=environment, text=True, **pipes)
    process.stdin.write(json.dumps([requests, own, str(cache)]))
    process.stdin.close()
    return process


def ended(process: subprocess.Popen) -> tuple[int, str]:
    said = process.stdout.read() + process.stderr.read()
    return process.wait(60), said


@pytest.mark.parametrize("fault", [lambda _n, _prompt: None, half_fail(2)], ids=["no faults", "half fail"])
def test_a_killed_job_loses_nothing_that_it_had_and_holds_nothing(fault, tmp_path):
    """What is left of it, four requests under way and their share of the budget, would be in the next one's way."""
    requests = [request(i) for i in range(40)]
    with serve(answers, fault, latency=0.1) as server:
        process = start(requests, settings(server, budget=100.0, retries=16), tmp_path)
        while len(server.answered) < 10:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with sqlite3.connect(tmp_path / FILE) as db:
            kept = {json.loads(row)["messages"][0]["content"] for (row,) in db.execute("SELECT request FROM answers")}
        assert len(kept) >= 6  # all but those under way
        time.sleep(0.3)
        before = len(server.bodies)
        enough = (len(requests) + 1) * ANSWER + client._at_most(requests[0], settings(server))
        assert texts(ask(requests, settings(server, budget=enough, retries=16), tmp_path)) == [f"answer {i}" for i in range(40)]
        again = {json.loads(body)["messages"][0]["content"] for body in server.bodies[before:]}
        assert not kept & again and len(again) == 40 - len(kept)
        paid = Counter(server.answered)
        assert len(paid) == 40 and sum(paid.values()) <= 40 + 4  # of those under way nobody knew
    assert client.spent(tmp_path) == pytest.approx(40 * ANSWER)


def test_two_jobs_share_limit_and_answers(tmp_path):
    """Half of what each asks the other asks too."""
    with serve(answers, latency=0.05) as server:
        processes = [start([request(i) for i in order], settings(server, concurrency=3), tmp_path) for order in (range(30), range(44, 14, -1))]
        assert [ended(process) for process in processes] == [(0, "done\n")] * 2
        assert server.most == 3
        assert Counter(server.answered) == dict.fromkeys([f"prompt {i}" for i in range(45)], 1)


def test_a_job_that_has_its_answers_does_not_wait(tmp_path):
    """Another job asks, for as long as it lives; a third waits for it, and asks for what is missing by then."""
    with serve(answers) as server:
        ask([request(1)], settings(server), tmp_path)
        with alone(tmp_path):
            assert ended(start([request(1)], settings(None), tmp_path)) == (0, "done\n")
            process = start([request(1), request(2)], settings(server), tmp_path)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(3)
            with opened(tmp_path) as db:
                keep(db, client.key_of(request(2)), request(2), completion("m", "of another job"), ANSWER)
        assert ended(process) == (0, "done\n")
        assert server.answered == ["prompt 1"]
        assert texts(ask([request(2)], settings(None), tmp_path)) == ["of another job"]


def test_two_jobs_share_the_budget(tmp_path):
    with serve(answers, latency=0.05) as server:
        processes = [start([request(i) for i in part], settings(server, budget=0.5), tmp_path) for part in (range(30), range(30, 60))]
        for process in processes:
            code, said = ended(process)
            assert code == 1 and "the budget is used up" in said and KEY not in said
    assert 0.5 - 0.08 < client.spent(tmp_path) <= 0.5
    assert client.spent(tmp_path) == pytest.approx(len(server.answered) * ANSWER)
