"""Every module of the package: what becomes stale when it changes, in a copy of the project with a finished run."""

import os
import shutil

import pytest
from test_workflow import AFTER_EXPLANATIONS, AFTER_SAES
from workflow_runs import ROOT, SMALL, first, planned

from rewardscope.run.code import closure

MODULES = sorted(file.stem for file in ROOT.glob("src/rewardscope/*.py") if file.stem not in ("__init__", "__main__"))
BY_HAND = {
    "trigram": {"perplexity", "report"},
    "table4": {"table4", "report"},
    "nulls": {"nulls", "quality", "report"},
    "explanations": {"explanations"} | AFTER_EXPLANATIONS,
    "picks": AFTER_SAES | {"layers", "activations"},
    "config": set(),
    "plan": set(),
}


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, folder)
    for name in ("src", "workflow", "envs"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copytree(finished / "results", folder / "results", copy_function=os.link)
    shutil.copytree(finished / ".snakemake", folder / ".snakemake", ignore=shutil.ignore_patterns("locks", "log"))
    return folder


@pytest.fixture
def stale(project, served):
    """`stale(module, text)`: (first, all) stale rules once a text is added to a module."""

    def of(module: str, text: str) -> tuple[set[str], set[str]]:
        file = project / f"src/rewardscope/{module}.py"
        before = file.read_text(encoding="utf-8")
        file.write_text(before + text, encoding="utf-8")
        try:
            run = served(project, "--dry-run", "--configfile", str(SMALL), snakefile=project / "Snakefile")
        finally:
            file.write_text(before, encoding="utf-8")
        return first(run), planned(run)

    return of


@pytest.mark.parametrize("module", MODULES)
def test_a_changed_module_reruns_the_scripts_that_import_it(module, stale, rules_after):
    # the default pair has no tuned checkpoint, no classifier and no server
    apart = ("all", "tuned", "classifier", "llm_explanations")
    holders = {rule for rule in rules_after if rule not in apart and module in closure(ROOT / f"workflow/scripts/{rule}.py")}
    later = set().union(*(rules_after[rule] for rule in holders))
    begin, every = stale(module, "\nEXTRA = 1\n")
    assert every == holders | later
    assert holders - later <= begin <= holders  # of a rule after another one, some jobs may come first: the base side's completions
    if module in BY_HAND:
        assert holders | later == BY_HAND[module]


def test_the_hand_written_ones_are_there():
    assert set(BY_HAND) <= set(MODULES) and len(MODULES) > 30


def test_comments_and_an_unrelated_module_rerun_nothing(project, stale):
    (project / "src/rewardscope/novel.py").write_text("EXTRA = 1\n")
    for module in ("sae", "config", "job"):
        assert stale(module, "\n# a comment\n") == (set(), set())
