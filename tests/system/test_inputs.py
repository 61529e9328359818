"""The malformed tables and lexica of tests/inputs through the DAG: one line that names the file, nothing written that looks finished."""

from pathlib import Path

import pytest
import yaml
from workflow_runs import server, snakemake

INPUTS = Path(__file__).parents[1] / "inputs"
TABLES = sorted((INPUTS / "tables").iterdir())
LEXICA = sorted(file for file in (INPUTS / "lexica").iterdir() if file.stem != "scripts")


@pytest.mark.workflow
def test_malformed_tables(tmp_path):
    """A corpus of each in one run: every job fails with one line of its own, and leaves no corpus."""
    names = {f"c{i}": file for i, file in enumerate(TABLES)}
    entries = {name: {"path": {"train": str(file), "test": str(file)}, "generate": None} for name, file in names.items()}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"corpora": entries}))
    targets = [f"results/corpora/{name}/train.parquet" for name in names]
    run = snakemake(tmp_path, "mine.yaml", "--keep-going", "--", *targets)
    assert run.returncode != 0
    said = [line for line in run.stderr.splitlines() if line.startswith("rewardscope: corpus: ")]
    for file in names.values():
        assert len([line for line in said if f"{file}, " in line or f"{file}: " in line]) == 1, (file, said)
    assert not list((tmp_path / "results/corpora").rglob("*.parquet")) and "Traceback" not in run.stderr


@pytest.mark.workflow
def test_malformed_lexica(tmp_path):
    """Read before the first job: the run does not begin."""
    with server() as run:
        for file in LEXICA:
            (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"rewards": {"utility": {"words": str(file)}}}))
            ended = run(tmp_path, "--configfile", str(INPUTS.parent / "small.yaml"), "mine.yaml")
            said = [line for line in (ended.stdout + ended.stderr).splitlines() if str(file) in line]
            assert ended.returncode != 0 and len(said) == 1 and said[0].startswith("rewardscope: "), ended.stdout + ended.stderr
            assert not list(tmp_path.glob("results/corpora"))
