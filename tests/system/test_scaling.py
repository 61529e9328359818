"""One job split into several, in the real DAG at test size."""

from workflow_runs import PAIR, ROOT, copied, planned, snakemake


def test_a_split_extraction_changes_no_byte(finished, tmp_path):
    """Three jobs instead of one: the same shards under the same names, index, moments and autoencoders; back to one, none is left of three."""
    copied(finished, tmp_path)
    (tmp_path / "overlay.yaml").write_text("activations: {shards: 3}")
    site = f"{PAIR}/base"
    target = f"{site}/features/paper/top1/seed1.activations.parquet"
    options = ["--configfile", str(ROOT / "tests/small.yaml"), "overlay.yaml", "--", target]
    rules = {"activations", "moments", "saes", "features", "feature_activations"}
    assert planned(snakemake(tmp_path, "--dry-run", *options)) == rules
    run = snakemake(tmp_path, *options)
    assert run.returncode == 0, run.stderr
    folder = f"{site}/activations/top1"
    parts = sorted(path.name for path in (tmp_path / folder).iterdir())
    assert parts == ["part0", "part1", "part2"]  # the sums of moments are gone
    found = {file.name: file.read_bytes() for part in parts for file in (tmp_path / folder / part).glob("*.safetensors")}
    assert found == {file.name: file.read_bytes() for file in (finished / folder / "part0").glob("*.safetensors")}
    kinds = ("activations/t*", "saes/**/*.safetensors", "saes/**/*.json", "features/**/*.parquet", "features/**/*.csv")
    ours, theirs = (
        {str(file.relative_to(run)): file.read_bytes() for kind in kinds for file in (run / site).glob(kind) if file.is_file()}
        for run in (tmp_path, finished)
    )
    assert ours == theirs and len(ours) > 15
    assert planned(snakemake(tmp_path, "--dry-run", *options)) == set()

    (tmp_path / "overlay.yaml").write_text("activations: {shards: 1}")
    assert planned(snakemake(tmp_path, "--dry-run", *options)) == rules - {"moments"}
    run = snakemake(tmp_path, *options[:-1], f"{folder}/part0")
    assert run.returncode == 0, run.stderr
    assert [path.name for path in (tmp_path / folder).iterdir()] == ["part0"]
