"""Shapes in signatures are checked while tests run: the hook must be there before the modules are imported."""
from jaxtyping import install_import_hook

SHAPED = (
    "activations", "batches", "comparison", "feature_activations", "features", "moments", "nulls", "probe", "promotes", "sae", "shards", "windows",
)  # fmt: skip
install_import_hook([f"rewardscope.{module}" for module in SHAPED], "beartype.beartype")

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
