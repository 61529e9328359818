"""Shapes in signatures are checked while tests run: the hook must be there before the modules are imported."""

from pathlib import Path

from jaxtyping import install_import_hook

SOURCE = Path(__file__).parents[1] / "src"
SHAPED = [file for file in sorted(SOURCE.glob("rewardscope/**/*.py")) if "from jaxtyping" in file.read_text(encoding="utf-8")]
install_import_hook([".".join(file.relative_to(SOURCE).with_suffix("").parts) for file in SHAPED], "beartype.beartype")

from collections import Counter

import own_sources
import pytest
import staleness
import torch
import workflow_runs
import yaml

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with a finished run at test size; tests read it and plan in it, and run nothing in it.

    Its path, and that of the environment it was made in, have a space and letters beyond ASCII.
    """
    folder = tmp_path_factory.mktemp("ein Lauf für 我")
    workflow_runs.finish(folder, workflow_runs.environment_at(tmp_path_factory.mktemp("die Umgebung für 我")))
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with sources of its own."""
    own_sources.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def served():
    """`served(folder, *arguments)` runs Snakemake as `workflow_runs.snakemake` does, but faster."""
    with workflow_runs.server() as run:
        yield run


@pytest.fixture(scope="session")
def rules_after(served, finished):
    """Rule -> every rule that depends on it; the finished folder has the files that tests/staleness.yaml names."""
    staleness.prepare(finished)
    return staleness.after(served, finished)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests of the finished run come first, and to one of `make test`'s workers, so that it is made once while another goes on."""
    needs = lambda item: bool({"finished", "rules_after"} & set(item.fixturenames))
    items.sort(key=needs, reverse=True)
    for item in filter(needs, items):
        item.add_marker(pytest.mark.xdist_group("finished"))


def pytest_terminal_summary(terminalreporter):
    """Minutes by test file beside those of tests/minutes.yaml, so that CI's output shows what grows."""
    budget = yaml.safe_load((Path(__file__).parent / "minutes.yaml").read_text(encoding="utf-8"))
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in (report for report in reports if isinstance(report, pytest.TestReport)):
            seconds[report.location[0].removeprefix("tests/")] += report.duration
    for file, spent in seconds.most_common():
        if spent >= 6:
            terminalreporter.write_line(f"{spent / 60:5.1f} min of {budget.get(file, 0.1):5.1f}  {file}")
    terminalreporter.write_line(f"{seconds.total() / 60:5.1f} min in all")
