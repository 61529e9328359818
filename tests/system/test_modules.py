"""A module of every room: what becomes stale when it changes, in a copy of the project with a finished run; all of them: tests/long."""

import pytest
from staleness import MODULES, check_module, project_of, stale

OF_ROOMS = {module.rpartition(".")[0]: module for module in MODULES if MODULES[module]}


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    return project_of(finished, tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("module", OF_ROOMS.values())
def test_a_changed_module_reruns_what_the_table_says(module, served, project, rules_after):
    check_module(module, served, project, rules_after)


def test_comments_and_an_unrelated_module_rerun_nothing(project, served):
    (project / "src/rewardscope/sae/novel.py").write_text("EXTRA = 1\n")
    for module in ("sae.model", "config.config", "numerics"):
        assert stale(served, project, module, "\n# a comment\n") == (set(), set())
