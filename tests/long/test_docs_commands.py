"""Every command `python -m rewardscope ...` of README and docs/, run in a copy of the project with a finished run."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from staleness import project_of
from test_docs import every
from workflow_runs import ROOT

from rewardscope.__main__ import main
from rewardscope.report import report

sys.path.insert(0, str(ROOT / "tests/setup"))
from test_your_own_pair import lay_out

ELSEWHERE = {  # (page or "", command): where it is run
    ("", "adopt"): "tests/system/test_adopted_copies.py",
    ("docs/your-own-pair.md", "init"): "tests/setup/test_your_own_pair.py",
    ("docs/your-own-pair.md", "doctor"): "tests/setup/test_your_own_pair.py",
}
CASES = [
    case for case in every("python", "-m", "rewardscope")
    if case.values[0] and not {("", case.values[0][0]), (case.id.split(":")[0], case.values[0][0])} & set(ELSEWHERE)
]  # fmt: skip
MACHINE = {"doctor"}  # its status says what this machine lacks


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory) -> Path:
    """The folders and files that the pages name."""
    folder = project_of(finished, tmp_path_factory.mktemp("project"))
    for name in ("all", "runs", "mine"):
        shutil.copytree(finished / "results", folder / "results" / name, copy_function=os.link)
    (folder / "docs").mkdir()
    (folder / "config").mkdir()
    shutil.copy2(ROOT / "docs/remarks.yaml", folder / "docs")
    lock = folder / "results/.work/lock"
    lock.unlink(missing_ok=True)  # a link to that of the finished run
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        lay_out()
    return folder


def filled(words: list[str], folder: Path) -> list[str]:
    """The words of a command with what is there in place of what a reader fills in."""
    if words[:2] == ["show", "feature"]:
        return ["show", "feature", report.read(folder / "results/report.html")["features"][0]["id"]]
    models = iter(("base", "tuned"))
    return [{"PATH": "results/report.html", "RESULTS": "results"}.get(word) or (next(models) if word == "FOLDER" else word) for word in words]


@pytest.mark.parametrize("words", CASES)
def test_it_does_what_it_is_for(words, project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status = main(filled(words, project))
    assert status == 0 or words[0] in MACHINE
    written = {"page": ["docs/results.md"], "reference": ["config/README.md"]}.get(words[0], [])
    assert all((project / file).stat().st_size > 1000 for file in written)
    assert written or capsys.readouterr().out.strip()


def test_the_commands_are_many_and_the_others_are_run_elsewhere():
    assert len(CASES) > 10 and {case.values[0][0] for case in CASES} >= {"show", "lineage", "compare", "page", "recover", "doctor", "init"}
    assert all((ROOT / file).is_file() for file in ELSEWHERE.values())
