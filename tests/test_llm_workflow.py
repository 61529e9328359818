"""The explainer openai in the real DAG, with a server on this machine: paid once, priced, stale when it should be."""
import json
import os
import shutil

import pandas as pd
import pytest
import yaml
from fake_llm import serve
from workflow_runs import PAIR, SECRET, SMALL, planned, reasons, snakemake

TABLES = ["table3", "table5", "section5.3", "section6.1"]
READERS = {"table3", "table5", "section5_3", "section6_1"}
LLM = {"model": "org/m", "promotes": True, "budget": 500.0, "input_price": 1000.0, "output_price": 2000.0, "retries": 1}


def answer(prompt: str) -> str | None:
    return "great films" if prompt.startswith("A feature is a direction in the activations") else None


def overlay(folder, url: str = "http://127.0.0.1:9/v1", **keys) -> str:
    """An overlay file; nobody listens at its default address."""
    file = folder / "overlay.yaml"
    file.write_text(yaml.safe_dump({"explainer": "openai", "samples": 2, "targets": TABLES, "llm": {**LLM, "base_url": url, **keys}}))
    return str(file)


@pytest.fixture(scope="module")
def explained(finished, tmp_path_factory):
    """A finished run, its features then explained by the server; yields the folder, and what the server has seen."""
    folder = tmp_path_factory.mktemp("llm")
    shutil.copytree(finished / "results", folder / "results", copy_function=os.link)
    shutil.copytree(finished / ".snakemake", folder / ".snakemake", ignore=shutil.ignore_patterns("locks", "log"))
    with serve(answer) as server:
        run = snakemake(folder, overlay(folder, server.url))
        assert run.returncode == 0, run.stderr
        assert SECRET not in run.stdout + run.stderr
        yield folder, server


def lines(folder) -> list[dict]:
    found = sorted((folder / PAIR).glob("*/explanations/paper/*/openai/*.jsonl"))
    assert len(found) == 2 * 2 * 2  # sides, SAE seeds, samples
    return [json.loads(line) for file in found for line in file.read_text().splitlines()]


@pytest.mark.workflow
def test_tables_of_paid_explanations(explained):
    folder, server = explained
    told = lines(folder)
    assert server.keys == {SECRET} and len(told) <= len(server.answered) <= 2 * len(told)  # the same tokens may be promoted on both sides
    assert {(line["explainer"], line["activates_on"], line["promotes"]) for line in told} == {("openai:org/m", "great films", "great films")}
    table = pd.read_csv(folder / "results/tables/table3.csv").iloc[0]
    assert (table["explainer"], table["samples"], table["sae_seeds"]) == ("openai:org/m", 2, 2)
    assert table["m_base"] == table["m_rlhf"] == pytest.approx(3.1 * table["texts"])  # VADER's "great"
    assert table["cost"] == pytest.approx(2 * 2 * 2 * table["texts"] * 2 * 0.02) and table["failures"] == 0  # sides, seeds, samples; two requests
    shown = pd.read_csv(folder / "results/tables/table5.csv")
    assert set(shown["explainer"]) == {"openai:org/m"} and shown["cost"].tolist() == pytest.approx([0.04] * len(shown))
    assert {"cost", "failures"} <= {*pd.read_csv(folder / "results/tables/section6.1.csv"), *pd.read_csv(folder / "results/tables/section5.3.csv")}


@pytest.mark.workflow
def test_the_key_is_written_nowhere(explained):
    folder, _ = explained
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name == "answers.sqlite" for file in files)
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
    log = next(folder.glob("results/logs/llm_explanations/**/*.log")).read_text()
    assert f"answers: {(n := len(explained[1].answered))} of {n}, ${n * 0.02:.2f} spent, ${500 - n * 0.02:.2f} left" in log


@pytest.mark.workflow
def test_what_is_stale(explained, served):
    """What a request says, and nothing of how it is sent."""
    folder, _ = explained
    prompt = folder / "mine.txt"
    prompt.write_text("{reviews}")

    def dry(**keys):
        return served(folder, "--dry-run", "--configfile", str(SMALL), overlay(folder, **keys))

    for keys in ({"budget": 400.0}, {"input_price": 1.0}, {"output_price": 1.0}, {"concurrency": 2}, {"retries": 2}, {"timeout": 9.0}):
        assert planned(dry(**keys)) == set(), keys
    for keys in ({"model": "other"}, {"max_tokens": 9}, {"promotes": False}, {"prompt": str(prompt)}, {"promotes_prompt": str(SMALL)}):
        run = dry(**keys)
        if "promotes_prompt" in keys:
            assert run.returncode != 0 and "this prompt has no {raised} and no {lowered}" in run.stderr
        else:
            assert planned(run) == {"llm_explanations"} | READERS, (keys, reasons(run))


@pytest.mark.workflow
def test_what_is_in_the_cache_needs_no_server(explained):
    """A rerun of a finished table sends nothing; nor do explanations that are written anew."""
    folder, server = explained
    before = {file: file.read_bytes() for file in sorted(folder.glob("results/tables/*.csv"))}
    asked = len(server.bodies)
    again = snakemake(folder, overlay(folder))
    assert again.returncode == 0 and "Nothing to be done" in again.stdout + again.stderr
    for file in (folder / PAIR).glob("*/explanations/paper/*/openai/*.jsonl"):
        file.unlink()
    anew = snakemake(folder, overlay(folder))
    assert anew.returncode == 0, anew.stderr
    assert {file: file.read_bytes() for file in before} == before and len(server.bodies) == asked
    dearer = snakemake(folder, overlay(folder, model="other"))
    assert dearer.returncode != 0 and "cannot be reached" in dearer.stdout + dearer.stderr
