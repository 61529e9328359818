"""The explainer openai in the real DAG, with a server on this machine: paid once, priced, stale when it should be."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from fake_llm import serve
from workflow_runs import PAIR, SECRET, SMALL, copied, planned, reasons, snakemake

from rewardscope.explain import client
from rewardscope.tables.scores_table import MEASURES

TABLES = ["table3", "table5", "section5.3", "section6.1", "scores"]
SCORERS = {"scores", "promotes", "scores_table"}
READERS = {"table3", "table5", "section5_3", "section6_1"} | SCORERS
LLM = {"model": "org/m", "promotes": True, "budget": 500.0, "input_price": 1000.0, "output_price": 2000.0, "retries": 16}
ANSWER = 0.02  # dollars: 10 tokens read at $1,000 a million, 5 written at $2,000
pytestmark = pytest.mark.workflow


def answer(prompt: str) -> str | None:
    """Every feature fires on great films; told so, 10 for what holds an "a" and 0 for the rest, told nothing 0 for all."""
    if prompt.startswith("A feature is a direction in the activations"):
        return "great films"
    if not prompt.startswith("A feature of a language model is described by"):
        return None
    if "begins at token 9 " in prompt:
        return "It is most active on the second token."
    items = re.findall(r'^(\d+): "(.*)"$', prompt, re.MULTILINE)
    return "\n".join(f"{i}: {10 * ('a' in item and 'great films' in prompt)}" for i, item in items)


def half_fail():
    """Half of the requests at random: refused for now, an error, a cut connection."""
    rng, hurry = random.Random(1), {"Retry-After-Ms": "10"}
    faults = [(429, {"error": {"message": "slow down"}}, hurry), (500, {}, hurry), "cut"]
    return lambda _n, _prompt: rng.choice(faults) if rng.random() < 0.5 else None


def overlay(folder: Path, url: str = "http://127.0.0.1:9/v1", **keys) -> str:
    """An overlay file; nobody listens at its default address."""
    file = folder / "overlay.yaml"
    own = {"explainer": "openai", "samples": 2, "targets": TABLES, "scores": {"tokens": 8, "windows": 3}, "llm": {**LLM, "base_url": url, **keys}}
    file.write_text(yaml.safe_dump(own))
    return str(file)


def copy(finished: Path, folder: Path) -> Path:
    """A finished run with explanations of no server."""
    copied(finished, folder)
    return folder


@pytest.fixture(scope="module")
def explained(finished, tmp_path_factory):
    """A finished run, its features then explained and scored by a server that fails half of the time; yields the folder, and what it has seen."""
    folder = copy(finished, tmp_path_factory.mktemp("llm"))
    with serve(answer, half_fail()) as server:
        run = snakemake(folder, overlay(folder, server.url))
        assert run.returncode == 0, run.stderr
        assert SECRET not in run.stdout + run.stderr
        yield folder, server


def lines(folder: Path) -> list[dict]:
    found = sorted((folder / PAIR).glob("*/explanations/paper/*/openai/*.jsonl"))
    assert len(found) == 2 * 2 * 2  # sides, SAE seeds, samples
    return [json.loads(line) for file in found for line in file.read_text().splitlines()]


def scored(folder: Path, scorer: str) -> pd.DataFrame:
    """The scores that the table shows: of equally many features of both sides."""
    files = [sorted((folder / PAIR / side / f"scores/{scorer}/paper/top1/openai").glob("*.parquet")) for side in ("base", "rlhf")]
    pairs = [[pd.read_parquet(file) for file in pair] for pair in zip(*files, strict=True)]
    assert len(pairs) == 2 * 2  # SAE seeds, samples
    return pd.concat([frame.head(min(map(len, pair))) for pair in pairs for frame in pair])


def with_the_key(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def test_tables_of_paid_explanations(explained):
    folder, server = explained
    told = lines(folder)
    assert server.keys == {SECRET}
    assert {(line["explainer"], line["activates_on"], line["promotes"]) for line in told} == {("openai:org/m", "great films", "great films")}
    table = pd.read_csv(folder / "results/tables/table3.csv").iloc[0]
    assert (table["explainer"], table["samples"], table["sae_seeds"]) == ("openai:org/m", 2, 2)
    assert table["m_base"] == table["m_rlhf"] == pytest.approx(3.1 * table["texts"])  # VADER's "great"
    assert table["cost"] == pytest.approx(2 * 2 * 2 * table["texts"] * 2 * ANSWER) and table["failures"] == 0  # sides, seeds, samples; two requests
    shown = pd.read_csv(folder / "results/tables/table5.csv")
    assert set(shown["explainer"]) == {"openai:org/m"} and shown["cost"].tolist() == pytest.approx([2 * ANSWER] * len(shown))
    assert {"cost", "failures"} <= {*pd.read_csv(folder / "results/tables/section6.1.csv"), *pd.read_csv(folder / "results/tables/section5.3.csv")}


def test_scores_of_paid_explanations(explained):
    """All explanations are alike: each is its own baseline; the empty one predicts the same everywhere, which is no correlation."""
    folder, _ = explained
    table = pd.read_csv(folder / "results/tables/scores.csv")
    assert set(table["explainer"]) == {"openai:org/m"} and set(table["samples"]) == {2}
    by = table[table["layer"] == "all"].set_index(["scorer", "measure", "explanation"])
    for measure in ("correlation", "auroc", "balanced_accuracy"):
        own, other, less, empty = (
            by.xs((measure, name), level=("measure", "explanation")).iloc[0] for name in ("own", "other", "own - other", "empty")
        )
        assert own["base"] == other["base"] and less["base"] == 0 and empty["base"] == (0 if measure == "correlation" else 0.5)
    assert by.loc["simulation", "correlation", "own"]["base"] not in (0, 1)
    frames = {scorer: scored(folder, scorer) for scorer in MEASURES}
    unparsed = {scorer: frame["unparsed"].sum() for scorer, frame in frames.items()}
    assert unparsed["simulation"] > 0 and unparsed["simulation"] % 3 == 0 and unparsed["detection"] == unparsed["promotes"] == 0
    asked = {"simulation": 3 * frames["simulation"]["windows"].sum(), "detection": 3 * len(frames["detection"]), "promotes": 0}
    for scorer, measures in MEASURES.items():
        row = by.loc[scorer, measures[0], "own"]
        assert (row["unparsed"], row["cost"]) == (unparsed[scorer], pytest.approx(asked[scorer] * ANSWER))
    assert by.loc["promotes", "most_raised", "own"]["base"] > by.loc["promotes", "most_raised", "other"]["base"]  # the tokens', not the phrase's


def test_half_of_the_requests_fail_and_none_is_paid_twice(explained):
    folder, server = explained
    assert len(server.bodies) > 1.5 * len(server.answered)
    samples = Counter(server.answered)
    assert {n for prompt, n in samples.items() if prompt.startswith("A feature of")} == {1}  # of all explanations with equal words
    assert {n for prompt, n in samples.items() if prompt.startswith("A feature is")} == {2}
    assert client.spent(folder / ".cache") == pytest.approx(ANSWER * len(server.answered))


def test_the_key_is_written_nowhere(explained):
    folder, _ = explained
    assert (folder / ".cache/answers.sqlite").exists() and not with_the_key(folder)
    log = next(folder.glob("results/logs/llm_explanations/**/*.log")).read_text()
    n = len([prompt for prompt in explained[1].answered if prompt.startswith("A feature is")])
    assert f"answers: {n} of {n}, ${n * ANSWER:.2f} spent, ${500 - n * ANSWER:.2f} left" in log


def test_what_is_stale(explained, served):
    """What a request says, and nothing of how it is sent."""
    folder, _ = explained
    prompt, scoring = folder / "mine.txt", folder / "scoring.txt"
    prompt.write_text("{reviews}")
    scoring.write_text("{explanation} {items}")

    def dry(**keys):
        return served(folder, "--dry-run", "--configfile", str(SMALL), overlay(folder, **keys))

    for keys in ({"budget": 400.0}, {"input_price": 1.0}, {"output_price": 1.0}, {"concurrency": 2}, {"retries": 2}, {"timeout": 9.0}):
        assert planned(dry(**keys)) == set(), keys
    for keys in ({"model": "other"}, {"max_tokens": 9}, {"promotes": False}, {"prompt": str(prompt)}):
        run = dry(**keys)
        assert planned(run) == {"llm_explanations"} | READERS, (keys, reasons(run))
    for keys in ({"simulate_prompt": str(scoring)}, {"detect_prompt": str(scoring)}):
        run = dry(**keys)
        assert planned(run) == {"scores", "scores_table"} and len(reasons(run)["scores"]) == 1, keys
    run = dry(promotes_prompt=str(SMALL))
    assert run.returncode != 0 and "this prompt has no {raised} and no {lowered}" in run.stderr


def test_what_is_in_the_cache_needs_no_server(explained):
    """A rerun of a finished table sends nothing; nor do explanations and scores that are made anew."""
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
