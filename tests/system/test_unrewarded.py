"""Two checkpoints and no reward: the default workflow where it knows of rewards, and what is left out of a run where another pair has one."""

import json
import re
from pathlib import Path

import chromium
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_snakefiles import jobs
from workflow_runs import ROOT, legible, snakemake

from rewardscope.__main__ import main
from rewardscope.report import report
from rewardscope.run.lineage import trace

PAIR = "results/pairs/tiny/audited/run1"
BARE = "pairs: [{model: tiny, name: audited, corpus: reviews, rlhf: tuned}]\nfindings: {completions: 60, new: 16}\n"
TARGETS = (
    "targets: [table1, table3, table4, section5.3, section6.1, step4, probe, findings, report]\n"  # of the default's, those that know of rewards
)
MIXED = BARE.replace("}]", "}, {model: tiny, reward: utility, corpus: reviews}]\npicks: {shared: true}")
NO_ROWS = ["table1", "table3", "section5.3", "section5.3.words", "probe"]  # of PPO, of a word table, of a reward


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """The finished run, and what it said: a base that the run makes, and its copy with some weights moved."""
    folder = tmp_path_factory.mktemp("audited")
    made = snakemake(folder, "--", "results/models/tiny/source.json")
    assert made.returncode == 0, made.stderr
    (folder / "tuned").mkdir()
    for file in (folder / "results/models/tiny/model").iterdir():
        if file.suffix == ".safetensors":
            weights = load_file(file)
            torch.manual_seed(1)
            moved = {name: x + 0.5 * x.std() * torch.randn_like(x) if x.dim() == 2 else x for name, x in weights.items()}
            save_file(moved, folder / "tuned" / file.name, metadata={"format": "pt"})
        elif file.suffix in (".json", ".txt") and file.name != "checksums.json":
            (folder / "tuned" / file.name).write_bytes(file.read_bytes())
    (folder / "audited.yaml").write_text(BARE + TARGETS)
    run = snakemake(folder, "audited.yaml")
    assert run.returncode == 0, run.stderr
    return folder, run.stdout + run.stderr


def test_findings_are_of_two_checkpoints_alone_and_nothing_is_warned_of(audited, capsys):
    folder, said = audited
    table = pd.read_csv(folder / "results/tables/findings.csv")
    assert len(table) and set(table["mode"]) == {"two checkpoints"} and set(table["problem"]) == {"no reward was given"}
    assert table["gain"].isna().all() and table["twin"].isna().all()
    facts = json.loads((folder / PAIR / "findings.json").read_text())
    assert facts["problem"] == "no reward was given" and facts["added"] == {"base": None, "rlhf": None}
    log = (folder / "results/logs/findings/pairs/tiny/audited/run1.log").read_text()
    assert "pairs/tiny/audited/run1: no reward was given: no list of findings with the reward" in log
    assert not re.search(r"rewardscope: (findings|completions|rlhf|probe): |runs the code of", said)
    assert main(["show", "findings", str(folder / "results/tables/findings.csv")]) == 0
    assert capsys.readouterr().out.startswith("tiny, audited; two checkpoints (no reward was given):\n  1. ")


def test_tables(audited):
    """All are there; what a reward's rows would be is missing, what its columns would be is empty."""
    tables = {file.stem: pd.read_csv(file) for file in (audited[0] / "results/tables").glob("*.csv")}
    assert {name for name, table in tables.items() if table.empty} == set(NO_ROWS)
    assert {"table4", "section6.1", "step4", "findings"} == set(tables) - set(NO_ROWS)
    (row,) = tables["table4"].to_dict("records")
    known = {name: value for name, value in row.items() if pd.notna(value)}
    assert known.pop("same") < 1
    assert known == {"model": "tiny", "reward": "audited", "samples": 10, "unit": "prompt", "runs": 1, "twin_runs": 0}
    assert (tables["step4"]["reward"] == "audited").all() and tables["step4"]["count"].notna().any()
    assert not (audited[0] / PAIR / "controls").exists() and not (audited[0] / "results/rewards").exists()


def test_the_report_says_that_no_reward_was_given(audited):
    text = (audited[0] / "results/report.html").read_text()
    section = {name: text.split(f'<section id="{name}"')[1].split("</section>")[0] for name in ("verdict", "findings", "completions")}
    assert "<h2>tiny, audited</h2>" in section["verdict"] and "No reward was given" in section["verdict"] and "no reward given" in section["verdict"]
    assert "<svg" not in section["verdict"] and "learn this reward" not in section["verdict"] and "nan" not in section["verdict"].lower()
    assert section["findings"].count("<summary><b>") == 1 and "<details open>" in section["findings"]
    assert "There is no list with the reward: no reward was given." in section["findings"]
    assert "<small>reward" not in section["completions"] and text.count("No row: nothing here has") == len(NO_ROWS)
    assert report.read(audited[0] / "results/report.html")["features"]


def test_the_report_says_what_was_given_and_which_layers_changed_and_nothing_of_a_reward(audited):
    text = (audited[0] / "results/report.html").read_text()
    lead = text.split('<p class="lead">')[1].split("</p>")[0]
    assert re.match(r"A tuned checkpoint (was )?given\b", lead)
    moved = pd.read_csv(audited[0] / PAIR / "divergence.csv").groupby("layer")["distance"].sum()
    chosen = json.loads((audited[0] / PAIR / "layers.json").read_text())
    section = legible(text.split('<section id="divergence"')[1].split("</section>")[0])
    assert (moved > 0).all() and f"layers looked into: {', '.join(str(layer) for layer in sorted(chosen.values()))}" in section
    said = legible(text)
    assert "what the reward pays for" not in said and "RLHF" not in said


@pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no chromium here")
def test_the_report_in_a_browser(audited, tmp_path):
    """As the rewarded one's in test_report_in_browser.py: silent, alone, named, legible, no wider than the window."""
    url = (audited[0] / "results/report.html").as_uri()
    with chromium.browser(tmp_path / "profile") as page:
        page.look(1280, 900)
        page.open(url)
        chromium.quiet(page, url)
        chromium.labelled(page)
        assert page.run("document.documentElement.scrollWidth") <= 1280
        contrast = page.run(chromium.CONTRAST)
        assert len(contrast) > 5 and [(where, ratio) for where, ratio in contrast if ratio < 4.5] == []
        assert page.run("document.querySelectorAll('#list button').length") > 0


def test_nothing_is_left_to_do_and_every_result_has_its_origins(audited, monkeypatch):
    folder = audited[0]
    again = snakemake(folder, "audited.yaml", "--dry-run")
    assert again.returncode == 0 and "Nothing to be done" in again.stdout + again.stderr
    monkeypatch.chdir(folder)
    chain = trace(Path("results"), ["tables/table4.csv", "tables/findings.csv", "report.html"], quick=True)
    assert not chain.broken and {"tuned", "completions", "findings"} <= {job["rule"] for job in chain.jobs}


def test_what_needs_a_reward_says_so_in_one_line(audited):
    """As a target of the config it is refused at the start: tests/config/test_config_unrewarded.py."""
    asked = snakemake(audited[0], "audited.yaml", "--", "results/tables/section6.2.csv")
    said = [line for line in asked.stderr.splitlines() if line.startswith("rewardscope: section6_2: ")]
    assert asked.returncode != 0 and len(said) == 1 and "no reward of pairs has one; there is nothing to make" in said[0]


def test_beside_a_pair_with_a_reward(audited, monkeypatch):
    """The probe reads what belongs to the rewarded pair alone, tables of words have that pair alone, and the base is shared."""
    folder = audited[0]
    (folder / "mixed.yaml").write_text(MIXED)
    monkeypatch.chdir(folder)
    planned = jobs(ROOT / "Snakefile", folder / "mixed.yaml")  # of all default targets
    assert {("findings", (("pair", f"pairs/tiny/{name}/run1"),)) for name in ("audited", "utility")} < set(planned)
    probe = planned["probe", ()]
    assert probe["params"]["pairs"] == "['pairs/tiny/utility/run1']" and not [file for file in probe["input"] if "audited" in file]
    assert "results/pairs/tiny/utility/run1/layers.json" in probe["input"]
    for rule in ("table3", "section5_3"):
        assert planned[rule, ()]["params"]["pairs"] == "['pairs/tiny/utility/run1']"
    for rule in ("table4", "step4", "findings_table", "report"):
        assert planned[rule, ()]["params"]["pairs"] == "['pairs/tiny/audited/run1', 'pairs/tiny/utility/run1']"
    layers = planned["layers", (("pair", "pairs/tiny/audited/run1"),)]
    assert {"results/pairs/tiny/audited/run1/divergence.csv", "results/pairs/tiny/utility/run1/divergence.csv"} == set(layers["input"])
