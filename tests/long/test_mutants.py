"""Every mutant of tests/mutants.yaml is noticed by the test file that it names, which passes without it."""

import os
import shutil
import subprocess
import sys

import pytest
from mutants import IDS, MUTANTS, ROOT


def outcome(source, test: str) -> subprocess.CompletedProcess:
    """A test file run against the package in the folder `source`."""
    path = os.pathsep.join([str(source), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not workflow", "-p", "no:cacheprovider", test]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=1200, check=False)


@pytest.fixture
def source(tmp_path):
    """A copy of src/."""
    return shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=IDS)
def test_a_mutant_is_noticed(mutant, source):
    file = mutant.file(source)
    file.write_text(file.read_text(encoding="utf-8").replace(mutant.line, mutant.mutant), encoding="utf-8")
    run = outcome(source, mutant.test)
    assert run.returncode == 1, run.stdout + run.stderr  # 2 and more: no test was run


@pytest.mark.parametrize("test", sorted({mutant.test for mutant in MUTANTS}))
def test_the_same_tests_pass_on_an_unchanged_copy(test, source):
    run = outcome(source, test)
    assert run.returncode == 0, run.stdout + run.stderr
