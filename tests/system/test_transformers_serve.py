"""A local explainer, end to end: `transformers serve` with a tiny random chat checkpoint, as docs/llm.md says."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import tiny

from rewardscope.explain import client, prompts
from rewardscope.explain.chat import explain, shown
from rewardscope.explain.tokens import NEVER
from rewardscope.models.models import pieces
from rewardscope.scores import llm_simulator

pytest.importorskip("fastapi", reason="the extra `serving` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serving` is not installed")
TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A random model of 300 tokens that has a chat template."""
    folder = tmp_path_factory.mktemp("chat")
    tiny.build("llama").save_pretrained(folder)
    tokenizer = tiny.tokenizer()
    template, tokenizer.chat_template = tokenizer.chat_template, TEMPLATE
    tokenizer.save_pretrained(folder)
    tokenizer.chat_template = template
    return folder


@contextmanager
def served(checkpoint: Path, log: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(checkpoint)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    with open(log, "w") as out, subprocess.Popen(command, env=offline, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            for _ in range(600):
                assert process.poll() is None, log.read_text()
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def test_a_local_model_explains(checkpoint, tmp_path, monkeypatch):
    """Two features, two samples: texts of a random model, but read, priced and kept as any."""
    import pandas as pd

    monkeypatch.setenv("OPENAI_API_KEY", "none")
    texts = pd.Series(tiny.texts()[:5])
    fires = pd.DataFrame({"document": [0, 1, 1, 4], "position": [3, 1, 2, 5], "value": [2.0, 1.0, 0.5, 1.5]})
    of = pieces(texts, tiny.tokenizer(), 50)
    raised, lowered = [{"token": " good", "logit": 1.0}], [{"token": " bad", "logit": -1.0}]
    features = [shown(i, rows, raised, lowered, of, 50, 5) for i, rows in enumerate((fires, NEVER))]
    own = {kind: prompts.load(prompts.FOLDER / f"{kind}.txt", kind) for kind in prompts.EXPLAINING}
    settings = {
        "model": str(checkpoint), "max_tokens": 8, "concurrency": 2, "retries": 2, "timeout": 60.0, "budget": 0.0,
        "input_price": 0.0, "output_price": 0.0,
    }  # fmt: skip
    prompt = prompts.load(prompts.FOLDER / "simulate.txt", "simulate")
    scored = llm_simulator.simulate(prompt, "good films", [" good", " film"], 1)
    with served(checkpoint, tmp_path / "serve.log") as url:
        found = explain(features, own, [1, 2], {**settings, "base_url": url}, 0, tmp_path / "cache")
        [(answer, _)] = client.ask([{"model": str(checkpoint), **scored}], {**settings, "base_url": url}, tmp_path / "cache")
    assert len(llm_simulator.numbers(answer, 2)) == 2  # it gives no log-probabilities and minds no request for them
    lines = [line for samples in found for line in samples]
    assert [line["feature"] for line in lines] == [0, 0, 1, 1]
    assert {line["explainer"] for line in lines} == {f"openai:{checkpoint}"} and {line["cost"] for line in lines} == {0.0}
    none = {"cut off", "cut off before an answer", "empty"}  # a random model comes to an end by chance alone
    assert {line["failure"] for line in lines[:2]} <= {"", *none} and {line["failure"] for line in lines[2:]} == {"never fires"}
    assert all(bool(line["promotes"]) == (line["failure_of_promotes"] not in none) for line in lines)
    with sqlite3.connect(tmp_path / "cache/answers.sqlite") as db:
        assert any(json.loads(row)["choices"][0]["message"]["content"].strip() for (row,) in db.execute("SELECT response FROM answers"))
    again = explain(features, own, [1, 2], {**settings, "base_url": "http://127.0.0.1:9/v1"}, 0, tmp_path / "cache")
    assert again == found and client.spent(tmp_path / "cache") == 0
