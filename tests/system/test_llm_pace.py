"""How long a thousand answers take: a server with a second process's clock, half a second each, 32 at a time."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rewardscope.explain import client

SERVER = """
import sys, time
sys.path.insert(0, {tests!r})
from fake_llm import serve
with serve(lambda prompt: "x", latency=0.5) as server:
    print(server.url, flush=True)
    sys.stdin.read()
    print(server.most, len(server.answered), flush=True)
"""


def test_a_thousand_answers_at_nearly_the_ideal_pace(tmp_path, monkeypatch):
    """1,000 requests of 0.5 s, 32 in flight: 32 rounds, 16 s; at most 1.3 times that. The server is a process of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    code = SERVER.format(tests=str(Path(__file__).parents[1]))
    settings = {"concurrency": 32, "retries": 3, "timeout": 30.0, "budget": 100.0, "input_price": 1.0, "output_price": 1.0}
    texts = [f"prompt {i} " + "token\t0\n" * 250 for i in range(1000)]
    requests = [{"model": "m", "messages": [{"role": "user", "content": text}], "temperature": 1.0, "max_tokens": 50} for text in texts]
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        settings["base_url"] = server.stdout.readline().strip()
        list(client.ask(requests[:1], settings, tmp_path / "warm"))  # imports
        began = time.monotonic()
        answers = list(client.ask(requests, settings, tmp_path))
        took = time.monotonic() - began
        server.stdin.close()
        most, answered = map(int, server.stdout.readline().split())
    assert len(answers) == 1000 and (most, answered) == (32, 1001)
    ideal = math.ceil(1000 / 32) * 0.5
    print(f"{took:.1f} s, {took / ideal:.2f} of the ideal {ideal} s")
    if os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        pytest.skip(f"the machine is busy: {took / ideal:.2f} of the ideal time")
    assert took < 1.3 * ideal
