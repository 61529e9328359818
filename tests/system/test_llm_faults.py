"""The explainer openai in the real DAG: a server that gives the key away, and kill -9 in the middle of paid answers."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import zlib
from collections import Counter
from contextlib import closing
from pathlib import Path

import pandas as pd
import psutil
import pytest
from fake_llm import CASES, serve
from test_llm_workflow import ANSWER, answer, copy, half_fail, lines, overlay, with_the_key
from workflow_runs import PAIR, ROOT, SECRET, SMALL, snakemake

from rewardscope.explain import client

TABLE = "results/tables/table5.csv"


def test_what_a_server_says_of_the_key_is_not_repeated(finished, tmp_path):
    """It echoes the key in what it refuses, and in an answer."""
    folder = copy(finished, tmp_path)
    with serve(lambda _prompt: "x", lambda _n, _prompt: (400, {"error": {"message": f"no {SECRET}"}})) as server:
        run = snakemake(folder, overlay(folder, server.url), "--", TABLE)
    said = run.stdout + run.stderr
    assert run.returncode != 0 and SECRET not in said and "answers 400" in said and "no [key]" in said
    with serve(lambda _prompt: SECRET) as server:
        run = snakemake(folder, overlay(folder, server.url), "--", TABLE)
    assert run.returncode == 0 and SECRET not in run.stdout + run.stderr, run.stderr
    assert {line["activates_on"] for line in lines(folder)} == {"[key]"} and not with_the_key(folder)


def kept(folder: Path) -> Counter[str]:
    """The prompts whose answers are in the cache, each as often as there are samples."""
    with closing(sqlite3.connect(folder / ".cache/answers.sqlite")) as db:
        return Counter(json.loads(row)["messages"][0]["content"] for (row,) in db.execute("SELECT request FROM answers"))


def test_a_killed_run_goes_on_and_pays_nothing_twice(finished, tmp_path):
    """kill -9 of Snakemake and its jobs in the middle, half of the requests failing; the dead would hold more than the budget."""
    folder = copy(finished, tmp_path)
    with serve(answer, half_fail(), latency=0.05) as server:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", "--configfile", str(SMALL)]
        command += [overlay(folder, server.url, concurrency=4), "--", TABLE]
        with open(folder / "said", "w") as out:
            run = subprocess.Popen(command, cwd=folder, env={**os.environ, "OPENAI_API_KEY": SECRET}, stdout=out, stderr=out)
        while len(server.answered) < 12:
            assert run.poll() is None, (folder / "said").read_text()
            time.sleep(0.02)
        for process in [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]:
            process.kill()
        run.wait()
        time.sleep(0.5)
        had, answered = kept(folder), len(server.answered)
        assert answered - 4 <= had.total() <= answered  # what was under way is lost
        again = snakemake(folder, overlay(folder, server.url, concurrency=4, budget=6.0), "--", TABLE)
        assert again.returncode == 0, again.stderr
        assert Counter(server.answered[answered:]) == kept(folder) - had
    assert {line["activates_on"] for line in lines(folder)} == {"great films"}
    assert client.spent(folder / ".cache") == pytest.approx(kept(folder).total() * ANSWER) and not with_the_key(folder)


def test_answers_that_are_none(finished, tmp_path):
    """Most requests are answered with what is none, or holds things that nobody can read: each is counted, said, and not paid for ever."""
    folder, names = copy(finished, tmp_path), [None, *CASES]
    explaining, given = ["cut_off", "finish_error", "think", "parts_with_an_image", "refused"], {}

    def fault(_n: int, prompt: str) -> str | None:
        if prompt.startswith("A feature is"):  # there are few of these: one of each, in the order that they come in
            return given.setdefault(prompt, explaining[len(given) % len(explaining)])
        return names[zlib.crc32(prompt.encode()) % len(names)]

    with serve(answer, fault) as server:
        run = snakemake(
            folder, overlay(folder, server.url, budget=1e6, promotes=False), "--", TABLE, "results/tables/table3.csv", "results/tables/scores.csv"
        )
        assert run.returncode == 0, run.stderr
        asked = Counter(server.answered)
    why = Counter(CASES[name]["failure"] if (name := fault(0, prompt)) else "" for prompt in asked if prompt.startswith("A feature is"))
    told = lines(folder)
    assert len(why) > 3 and {line["failure"] for line in told} == set(why)
    assert all(bool(line["activates_on"]) != bool(line["failure"]) for line in told)
    for prompt, n in asked.items():
        samples = 2 if prompt.startswith("A feature is") else 1
        assert n == samples * (CASES[name]["asked"] if (name := fault(0, prompt)) else 1)
    shown = pd.read_csv(folder / TABLE, keep_default_na=False)
    assert ((shown["failure"] == "") == (shown["activates_on"] != "")).all()
    assert pd.read_csv(folder / "results/tables/table3.csv")["failures"].item() == sum(bool(line["failure"]) for line in shown_in_table3(folder))
    before = {file: file.read_bytes() for file in folder.glob("results/tables/*.csv")}
    for file in (folder / PAIR).glob("*/explanations/paper/*/openai/*.jsonl"):
        file.unlink()
    again = snakemake(folder, overlay(folder, promotes=False), "--", TABLE, "results/tables/table3.csv", "results/tables/scores.csv")
    assert again.returncode == 0 and {file: file.read_bytes() for file in before} == before, again.stderr  # nobody listens


def shown_in_table3(folder: Path) -> list[dict]:
    """Equally many of both sides, file by file."""
    files = [sorted((folder / PAIR / side / "explanations/paper").glob("*/openai/*.jsonl")) for side in ("base", "rlhf")]
    pairs = [[[json.loads(line) for line in file.read_text().splitlines()] for file in pair] for pair in zip(*files, strict=True)]
    return [line for pair in pairs for of in pair for line in of[: min(map(len, pair))]]
