"""Shapes in signatures are checked while tests run: the hook must be there before the modules are imported."""

from pathlib import Path

from jaxtyping import install_import_hook

SOURCE = Path(__file__).parents[1] / "src"
SHAPED = [file for file in sorted(SOURCE.glob("rewardscope/**/*.py")) if "from jaxtyping" in file.read_text(encoding="utf-8")]
install_import_hook([".".join(file.relative_to(SOURCE).with_suffix("").parts) for file in SHAPED], "beartype.beartype")

import pytest
import staleness
import torch
import workflow_runs

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with a finished run at test size; tests read it and plan in it, and run nothing in it."""
    folder = tmp_path_factory.mktemp("run")
    workflow_runs.finish(folder)
    return folder


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
