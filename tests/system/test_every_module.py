"""Every module of the package: what becomes stale when it changes, in a copy of the project with a finished run."""

import shutil

import pytest
import yaml
from workflow_runs import ROOT, SMALL, copied, first, planned

TABLE = yaml.safe_load((ROOT / "tests/stale_modules.yaml").read_text(encoding="utf-8"))  # held to the digests by tests/run/test_code.py


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, folder)
    for name in ("src", "workflow", "envs"):
        shutil.copytree(ROOT / name, folder / name)
    copied(finished, folder)
    return folder


@pytest.fixture
def stale(project, served):
    """`stale(module, text)`: (first, all) stale rules once a text is added to a module."""

    def of(module: str, text: str) -> tuple[set[str], set[str]]:
        file = project / "src/rewardscope" / f"{module.replace('.', '/')}.py"
        before = file.read_text(encoding="utf-8")
        file.write_text(before + text, encoding="utf-8")
        try:
            run = served(project, "--dry-run", "--configfile", str(SMALL), snakefile=project / "Snakefile")
        finally:
            file.write_text(before, encoding="utf-8")
        return first(run), planned(run)

    return of


@pytest.mark.parametrize("module", TABLE)
def test_a_changed_module_reruns_what_the_table_says(module, stale, rules_after):
    # the pair of SMALL has no tuned checkpoint, no preferences of the hub, no classifier, no twin and no server
    rules = set(rules_after) - {"all", "tuned", "preferences", "classifier", "twins", "llm_explanations"}
    holders = rules if TABLE[module] == "all" else rules & set(TABLE[module])
    later = set().union(*(rules_after[rule] for rule in holders))
    begin, every = stale(module, "\nEXTRA = 1\n")
    assert every == holders | later
    assert holders - later <= begin <= holders  # of a rule after another one, some jobs may come first: the base side's completions


def test_comments_and_an_unrelated_module_rerun_nothing(project, stale):
    (project / "src/rewardscope/sae/novel.py").write_text("EXTRA = 1\n")
    for module in ("sae.model", "config.config", "numerics"):
        assert stale(module, "\n# a comment\n") == (set(), set())
