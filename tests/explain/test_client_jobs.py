"""Jobs that ask at one time, or are killed: they share limit, budget and answers, and lose nothing that was paid."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from chat_requests import ANSWER, answers, ask, half_fail, request, settings, texts
from fake_llm import KEY, completion, serve

from rewardscope.explain import client
from rewardscope.explain.answers import FILE, alone, keep, opened


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


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
