"""Every module of the package: what becomes stale when it changes (tests/stale_modules.yaml)."""

import pytest
from staleness import MODULES, check_module, project_of


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    return project_of(finished, tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("module", MODULES)
def test_a_changed_module_reruns_what_the_table_says(module, served, project, rules_after):
    check_module(module, served, project, rules_after)
