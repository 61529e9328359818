"""The workflow as Snakemake's people call it: either Snakefile, from anywhere, as a module of another workflow; lint; profile."""

import contextlib
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from workflow_runs import ROOT, SMALL, planned, snakemake

SNAKEFILES = [ROOT / "Snakefile", ROOT / "workflow/Snakefile"]
RULES = sorted(ROOT.glob("workflow/rules/*.smk"))
GIVEN = {"words.csv", "reward.py", "helper.py"}
EVERYTHING = """
layers: [1]
explainer: openai
samples: 2
targets: [table3, table4, table6, scores, quality, comparison, step4, probe, report, section5.3, section6.2, accuracy]
activations: {shards: 2}
rewards: {judged: {function: "reward.py:score", kl: 0.3}, judged-placebo: {twin_of: judged, kind: noise}, listed: {words: words.csv}}
pairs:
  - {model: tiny, reward: utility, corpus: reviews}
  - {model: tiny, reward: judged, corpus: reviews}
  - {model: tiny, reward: judged-placebo, corpus: reviews}
  - {model: tiny, reward: listed, corpus: reviews}
  - {model: tiny, reward: sentiment, corpus: reviews}
"""
MODULE = f"""
configfile: "{ROOT}/config.yaml"

module rewardscope:
    snakefile: "{ROOT}/workflow/Snakefile"
    config: config
    prefix: "x"

use rule * from rewardscope as rewardscope_*
"""
HANDLERS = "".join(f"\n{name}:\n    rewardscope.{name}()\n" for name in ("onstart", "onsuccess", "onerror"))  # as docs/auditing.md says


@pytest.fixture
def overlay(tmp_path, monkeypatch) -> Path:
    """A config of many kinds of rules, with the files that it names, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("words.csv").write_text("word,utility\ngood,1\n")
    Path("reward.py").write_text("import helper\ndef score(texts):\n    return [0.0] * len(texts)\n")
    Path("helper.py").write_text("")
    Path("overlay.yaml").write_text(EVERYTHING)
    return tmp_path / "overlay.yaml"


def jobs(snakefile: Path, *overlays: Path, folder: Path | None = None) -> dict[tuple, dict]:
    """(rule, wildcards) -> inputs, outputs, log and benchmark, and params of every planned job; `folder`: Snakemake's `--directory`."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api:
        experiment = api.workflow(ResourceSettings(cores=1), ConfigSettings(configfiles=[SMALL, *overlays]), snakefile=snakefile, workdir=folder)
        with contextlib.redirect_stdout(io.StringIO()):
            experiment.dag(DAGSettings(forceall=True)).printd3dag()
        return {
            (job.rule.name, tuple(dict(job.wildcards.items()).items())): {
                "input": list(map(str, job.input)),
                "output": list(map(str, job.output)),
                "beside": [*map(str, job.log), *([str(job.benchmark)] if job.benchmark else [])],
                "params": {name: repr(value) for name, value in job.params.items() if name not in ("server", "cache")},
            }
            for job in experiment._workflow.dag.dependencies
        }


def test_both_snakefiles_plan_the_same_jobs(overlay):
    main, inner = (jobs(snakefile, overlay) for snakefile in SNAKEFILES)
    assert main == inner and len(main) > 90
    assert all(job["params"]["code"] for (rule, _), job in main.items() if rule != "all")
    for rule in ("rlhf", "completions", "probe", "spread", "twins"):  # what a reward function imports is read by them too
        assert any({"reward.py", "helper.py"} <= set(job["input"]) for (name, _), job in main.items() if name == rule)


def test_a_twin_is_tuned_on_its_placebo_and_measured_by_its_true_reward(overlay):
    """A twin beside the pair `judged`: the same prompts and settings, its own reward; tables, probe and completions ask the true one."""
    planned = jobs(ROOT / "workflow/Snakefile", overlay)
    rlhf, completions, twins = ({job[1]: planned[job] for job in planned if job[0] == rule} for rule in ("rlhf", "completions", "twins"))
    made, function = "results/rewards/judged-placebo/twin.json", {"reward.py", "helper.py"}
    (twin,) = twins.values()
    assert twin["output"] == [made] and {"results/corpora/reviews/train.parquet", *function} == set(twin["input"])
    assert twin["params"]["length"] == "17" and twin["params"]["kind"] == "'noise'"  # prompts of 9 tokens, responses of 8
    pair = lambda reward: f"pairs/tiny/{reward}/run1"
    true, other = (rlhf[("pair", pair(reward)),] for reward in ("judged", "judged-placebo"))
    assert set(other["input"]) - set(true["input"]) == {made} and set(true["input"]) - set(other["input"]) == function
    assert [name for name in true["params"] if true["params"][name] != other["params"][name]] == ["reward"]
    true, other = (completions[(("pair", pair(reward)),)] for reward in ("judged", "judged-placebo"))
    assert function < set(true["input"]) and {made, *function} < set(other["input"])
    assert [name for name in true["params"] if true["params"][name] != other["params"][name]] == ["own"]
    assert made not in planned["probe", ()]["input"]
    spreads = [f"results/rewards/{reward}/spread.reviews.json" for reward in ("judged", "sentiment")]  # no word table's, no twin's
    for rule in ("table4", "probe"):
        assert [file for file in planned[rule, ()]["input"] if "spread" in file] == spreads, rule
    for rule in ("table3", "table4", "step4", "section5_3", "report"):
        assert planned[rule, ()]["params"]["twins"] == "{'judged-placebo': 'judged'}", rule


def test_a_module_plans_the_same_jobs_below_its_prefix(overlay):
    """All that rules make lies below the prefix; files that the config names, and the prompts, stay where they are."""
    Path("Snakefile").write_text(MODULE)
    plain, module = jobs(ROOT / "workflow/Snakefile", overlay), jobs(Path("Snakefile"), overlay)
    assert {(f"rewardscope_{rule}", wildcards) for rule, wildcards in plain} == set(module)
    below = lambda path: path if path in GIVEN or path.startswith("..") else f"x/{path}"
    for (rule, wildcards), job in plain.items():
        other = module[f"rewardscope_{rule}", wildcards]
        assert other["params"] == job["params"], rule
        for kind in ("input", "output", "beside"):
            assert other[kind] == list(map(below, job[kind])), rule
    assert {path for job in module.values() for path in job["input"]} >= GIVEN


def test_from_another_folder(tmp_path, monkeypatch):
    """From the root of the project with `--directory`, and in a folder that has nothing of it: the same jobs, digests among their params."""
    monkeypatch.chdir(ROOT)
    there = jobs(Path("workflow/Snakefile"), folder=tmp_path)
    assert Path.cwd() == ROOT
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert jobs(SNAKEFILES[0]) == there and len(there) > 20


@pytest.mark.workflow
def test_a_module_runs_below_its_prefix_and_says_that_the_profile_is_not_read(served, tmp_path):
    """One cheap target for real, and its dry run."""
    (tmp_path / "Snakefile").write_text(MODULE + HANDLERS)
    target = "x/results/corpora/reviews/train.parquet"
    said = f"rewardscope: profiles/default was not read; with it: --workflow-profile {ROOT}/profiles/default"
    plan = snakemake(tmp_path, "--dry-run", "--", target, snakefile=tmp_path / "Snakefile")
    assert set(planned(plan)) == {"rewardscope_corpus"} and plan.stderr.splitlines().count(said) == 1
    run = served(tmp_path, "--configfile", str(SMALL), "--", target, snakefile=tmp_path / "Snakefile")
    assert run.returncode == 0 and run.stderr.splitlines().count(said) == 1, run.stderr
    assert len(pd.read_parquet(tmp_path / target)) == 400 and not (tmp_path / "results").exists()


@pytest.mark.workflow
@pytest.mark.parametrize("snakefile", SNAKEFILES, ids=["root", "workflow"])
def test_lint_has_no_remark(snakefile, served, tmp_path):
    run = served(tmp_path, "--lint", snakefile=snakefile)
    assert run.returncode == 0 and "in a good condition" in run.stdout + run.stderr


def test_a_name_that_several_rules_files_use_is_in_one_for_all():
    shared = {"common.smk", "places.smk", "run.smk"}
    texts = {file.name: file.read_text() for file in RULES}
    for name, text in texts.items():
        for constant in re.findall(r"^([A-Z][A-Z_0-9]+) = ", text, re.MULTILINE) if name not in shared else []:
            assert [other for other in texts if re.search(rf"\b{constant}\b", texts[other])] == [name], constant
    assert not [name for name in texts if name not in shared and re.search(r"^ *def ", texts[name], re.MULTILINE)]
    assert not [name for name in texts if re.search(r"\brules\.(?!report\.output)", texts[name])]  # a rule is known by its files
