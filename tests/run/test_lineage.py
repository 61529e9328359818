"""Lineage on records made by hand: a table of two models' files, and every way in which its chain can break."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rewardscope.__main__ import main
from rewardscope.errors import UserError
from rewardscope.run import lineage

SEEDS = range(1, 5)


def sha(path: Path) -> str:
    """Independent of the code under test."""
    if path.is_dir():
        listing = "".join(f"{sha(file)}  {file.name}\n" for file in sorted(path.iterdir()))
        return hashlib.sha256(listing.encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entry(path: Path) -> dict:
    if path.is_dir():
        return {"sha256": sha(path), "files": {file.name: entry(file) for file in path.iterdir()}}
    return {"sha256": sha(path), "size": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}


def job(results: Path, rule: str, inputs: list[str], outputs: list[str], minute: int) -> None:
    """Outputs as they lie on disk, and the record of a job that made them of `inputs`."""
    for name in outputs:
        if not (results / name).exists():
            (results / name).parent.mkdir(parents=True, exist_ok=True)
            (results / name).write_text(f"{rule} {name}")
    record = {
        "rule": rule,
        "started": f"2026-01-02T03:{minute:02}:00+00:00",
        "seconds": 1.5,
        "params": {"code": f"{rule:0<16}"[:16]},
        "git": {"commit": f"{'c0ffee':0<40}", "clean": rule != "saes"} if rule != "corpus" else None,
        "inputs": {name: sha(results / name) for name in inputs},
        "outputs": {name: entry(results / name) for name in outputs},
    }
    first, *others = (results / "provenance" / f"{name}.json" for name in outputs)
    first.parent.mkdir(parents=True, exist_ok=True)
    first.write_text(json.dumps(record))
    for link in others:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(first, link.parent))


def saes(model: str) -> list[str]:
    return [f"pairs/{model}/good/run1/{side}/saes/seed{seed}/sae.bin" for side in ("base", "rlhf") for seed in SEEDS]


def shards(model: str, side: str) -> str:
    return f"pairs/{model}/good/run1/{side}/activations/part0"


@pytest.fixture
def results(tmp_path) -> Path:
    """given words -> table <- 8 SAEs of each of two models <- shards of two sides <- corpus <- a given file."""
    results = tmp_path / "results"
    results.mkdir()
    (tmp_path / "words.csv").write_text("word,utility\ngood,1\n")
    (tmp_path / "reviews.csv").write_text("text\nA good film.\n")
    job(results, "corpus", ["../reviews.csv"], ["corpora/reviews/train.parquet", "corpora/reviews/test.parquet"], 1)
    for model in ("big", "tiny"):
        for side in ("base", "rlhf"):
            folder = results / shards(model, side)
            folder.mkdir(parents=True)
            for i in range(3):
                (folder / f"{i}.bin").write_text(f"{model} {side} {i}")
            job(results, "activations", ["corpora/reviews/test.parquet"], [shards(model, side)], 2)
            made = [name for name in saes(model) if f"/{side}/" in name]
            job(results, "saes", [shards(model, side)], made, 3)
    (results / "tables").mkdir()
    (results / "tables/table.csv").write_text("model,reward,m\nbig,good,1\ntiny,good,2\n")
    job(results, "table", ["../words.csv", *saes("big"), *saes("tiny")], ["tables/table.csv"], 4)
    return results


def read(results: Path, path: str = "tables/table.csv", **options) -> dict:
    text, whole = lineage.lineage(str(results / path), as_json=True, **options)
    found = json.loads(text)
    assert whole == (not found["broken"])
    return found


def rules(found: dict) -> list[str]:
    return [made["rule"] for made in found["jobs"]]


def test_the_whole_chain_back_to_what_was_given(results):
    found = read(results)
    assert rules(found) == ["table"] + ["saes"] * 4 + ["activations"] * 4 + ["corpus"]
    assert found["given"] == {f"../{name}": sha(results.parent / name) for name in ("words.csv", "reviews.csv")}
    assert found["broken"] == found["gone"] == []
    assert found["jobs"][-1]["used"] == ["corpora/reviews/test.parquet"]  # not the other output of the job
    assert sorted(name for made in found["jobs"][1:5] for name in made["used"]) == sorted(saes("big") + saes("tiny"))


def test_the_text_folds_what_is_alike(results):
    text, whole = lineage.lineage(str(results / "tables/table.csv"))
    lines = text.splitlines()
    assert lines[0].endswith("table.csv: made by 10 jobs of 4 rules; commit c0ffee0000, c0ffee0000 with changes; times are UTC")
    assert whole and lines[-1] == "The chain is whole."
    table = next(i for i, line in enumerate(lines) if line.startswith("table "))
    assert lines[table].split() == ["table", "2026-01-02", "03:04", "1.5", "s", "code", "table00000"]
    assert lines[table + 1].split() == [sha(results / "tables/table.csv")[:10], "tables/table.csv"]
    assert lines[table + 2].split() == ["saes", "2026-01-02", "03:03", "6.0", "s", "code", "saes000000", "4", "jobs"]
    assert lines[table + 3].split() == ["16", "x", "pairs/{big,tiny}/good/run1/{base,rlhf}/saes/seed{1..4}/sae.bin"]
    assert "    4 x         pairs/{big,tiny}/good/run1/{base,rlhf}/activations/part0" in lines
    assert f"    {sha(results.parent / 'reviews.csv')[:10]}  ../reviews.csv" in lines
    assert len(lines) < 16


@pytest.mark.parametrize("row", ["2", "tiny/good"])
def test_one_row(results, row):
    found = read(results, row=row)
    assert rules(found) == ["table", "saes", "saes", "activations", "activations", "corpus"]
    assert not [name for made in found["jobs"] for name in made["used"] if "big" in name]
    assert set(found["given"]) == {"../words.csv", "../reviews.csv"}


@pytest.mark.parametrize(("row", "said"), [("3", "no row 3; it has 2: big/good, tiny/good"), ("0", "no row 0"), ("tiny/bad", "no row tiny/bad")])
def test_an_unknown_row(results, row, said):
    with pytest.raises(UserError, match=said):
        read(results, row=row)


def test_rows_of_what_is_no_table(results):
    with pytest.raises(UserError, match="CSV tables only"):
        read(results, saes("tiny")[0], row="1")
    (results / "tables/table.csv").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        read(results, row="1")


@pytest.mark.parametrize(
    ("name", "row", "belongs"),
    [
        ("pairs/tiny/good/run1/base/mmcs.csv", {"model": "tiny", "reward": "good"}, True),
        ("pairs/tiny/good/run1/base/mmcs.csv", {"model": "tiny", "reward": "bad"}, False),
        ("pairs/tiny/good/run2/base/features/paper/top1/mmcs.csv", {"model": "tiny", "run": "run1"}, False),
        ("pairs/tiny/good/run1/base/features/paper/top1/mmcs.csv", {"model": "tiny", "side": "rlhf"}, False),
        ("pairs/tiny/good/run1/base/features/paper/top1/mmcs.csv", {"side": "base", "pick": "top2"}, False),
        ("pairs/tiny/good/run1/base/nulls/paper/top1.parquet", {"side": "base", "pick": "top1"}, True),
        ("pairs/tiny/good/run1/layers.json", {"model": "tiny", "side": "rlhf", "pick": "top2"}, True),
        ("bases/tiny/features/paper/layer3/mmcs.csv", {"model": "big"}, False),
        ("models/tiny/perplexity.json", {"model": "tiny"}, True),
        ("../words.csv", {"model": "tiny"}, True),
    ],
)
def test_what_can_belong_to_a_row(name, row, belongs):
    assert lineage.went_into(name, row) == belongs


def test_a_file_a_folder_a_file_in_a_folder_and_all_below_a_folder(results):
    assert rules(read(results, saes("big")[0])) == ["saes", "activations", "corpus"]
    assert rules(read(results, shards("big", "rlhf"))) == ["activations", "corpus"]
    assert rules(read(results, f"{shards('big', 'rlhf')}/2.bin")) == ["activations", "corpus"]
    assert rules(read(results, "pairs/big")) == ["saes"] * 2 + ["activations"] * 2 + ["corpus"]
    assert rules(read(results, "pairs/big/good/run1/base/saes/seed2")) == ["saes", "activations", "corpus"]
    assert len(read(results, ".")["jobs"]) == 10


def test_it_works_from_another_directory_and_after_a_move(results, tmp_path, monkeypatch):
    monkeypatch.chdir(results / "tables")
    assert json.loads(lineage.lineage("table.csv", as_json=True)[0])["broken"] == []
    monkeypatch.chdir(tmp_path)
    moved = tmp_path / "project"
    moved.mkdir()
    for name in ("results", "words.csv", "reviews.csv"):
        shutil.move(tmp_path / name, moved / name)
    assert json.loads(lineage.lineage("project/results/tables/table.csv", as_json=True)[0])["broken"] == []


def test_a_changed_file_is_reported_even_with_its_size_and_date(results):
    file = results / saes("tiny")[2]
    date, text = file.stat().st_mtime_ns, file.read_text()
    file.write_text(text.replace("s", "z"))
    os.utime(file, ns=(date, date))
    (line,) = read(results)["broken"]
    assert line.startswith(f"{saes('tiny')[2]}: changed since it was made (recorded ") and sha(file)[:10] in line
    text, whole = lineage.lineage(str(results / "tables/table.csv"))
    assert not whole and f"BROKEN  {line}" in text and text.endswith("The chain is broken in 1 place.")


def test_a_changed_file_of_a_folder_is_named(results):
    (results / shards("tiny", "base") / "1.bin").write_text("other")
    (results / shards("tiny", "base") / "new.bin").write_text("")
    (line,) = read(results)["broken"]
    assert f"{shards('tiny', 'base')}: changed since it was made in 1.bin, new.bin (" in line


def test_snakemake_s_time_stamp_in_a_folder_is_no_change(results):
    (results / shards("tiny", "base") / ".snakemake_timestamp").touch()
    assert read(results)["broken"] == []


def test_quick_trusts_size_and_date_of_files_in_folders(results):
    file = results / shards("tiny", "base") / "1.bin"
    date = file.stat().st_mtime_ns
    file.write_text(file.read_text().upper())
    os.utime(file, ns=(date, date))
    assert read(results, quick=True)["broken"] == [] and len(read(results)["broken"]) == 1


def test_a_missing_record(results):
    (results / "provenance/corpora/reviews/train.parquet.json").unlink()  # test.parquet's links to it
    found = read(results)
    assert found["broken"] == ["corpora/reviews/test.parquet: no record of the job that made it"]
    assert set(found["given"]) == {"../words.csv"}


def test_a_record_that_no_longer_names_the_file_is_none_of_it(results):
    job(results, "corpus", ["../reviews.csv"], ["corpora/reviews/train.parquet"], 9)
    assert read(results)["broken"] == ["corpora/reviews/test.parquet: no record of the job that made it"]


def test_an_input_that_was_remade_since(results):
    (results / shards("tiny", "rlhf") / "0.bin").write_text("new activations")
    job(results, "activations", ["corpora/reviews/test.parquet"], [shards("tiny", "rlhf")], 30)
    (line,) = read(results)["broken"]
    assert line.startswith(f"{shards('tiny', 'rlhf')}: saes read ") and "; it has been remade since (" in line


def test_an_input_remade_alike_breaks_nothing(results):
    job(results, "activations", ["corpora/reviews/test.parquet"], [shards("tiny", "rlhf")], 30)
    assert read(results)["broken"] == []


def test_an_input_that_was_changed_before_it_was_read(results):
    file = results / saes("tiny")[0]
    file.write_text("changed by hand")
    job(results, "table", saes("tiny"), ["tables/table.csv"], 4)
    lines = read(results)["broken"]
    assert len(lines) == 2 and ": changed since it was made (" in lines[0] and "; that is not what was made (" in lines[1]


def test_a_given_file_that_has_changed(results):
    (results.parent / "words.csv").write_text("word,utility\n")
    (line,) = read(results)["broken"]
    assert line.startswith("../words.csv: changed since table read it (")


def test_freed_activations_break_nothing_and_are_named(results):
    shutil.rmtree(results / shards("tiny", "base"))
    found = read(results)
    assert found["gone"] == [shards("tiny", "base")] and found["broken"] == [] and len(found["jobs"]) == 10
    assert f"not on disk any more: {shards('tiny', 'base')}" in lineage.lineage(str(results / "tables/table.csv"))[0]
    assert rules(read(results, shards("tiny", "base"))) == ["activations", "corpus"]


UNKNOWN = [
    ("results/tables/nothing.csv", "no such file or folder"),
    ("results/README.md", "no record names it"),
    (f"results/{shards('tiny', 'base')}/9.bin", "no such file or folder"),
    ("results/tables/table.csv/x", "no such file or folder"),
    ("words.csv", "no folder above it holds provenance records"),
    ("nowhere.csv", "no such file or folder"),
]


@pytest.mark.parametrize(("path", "said"), UNKNOWN, ids=[path for path, _ in UNKNOWN])
def test_an_unknown_file_is_one_line_and_a_status(results, path, said):
    (results / "README.md").write_text("by hand")
    command = [sys.executable, "-m", "rewardscope", "lineage", path]
    run = subprocess.run(command, cwd=results.parent, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith("rewardscope: ") and path in line and said in line


def test_the_command_s_status(results, capsys):
    table = str(results / "tables/table.csv")
    assert main(["lineage", table, "--row", "1"]) == 0 and f"{table}, row 1: made by 6 jobs" in capsys.readouterr().out
    (results / shards("tiny", "base") / "0.bin").unlink()
    assert main(["lineage", table, "--json"]) == 1 and len(json.loads(capsys.readouterr().out)["broken"]) == 1
    assert main(["lineage", table, "--row", "big/good"]) == 0
    assert main(["show", table]) == 0


@pytest.mark.parametrize("arguments", [[], ["lineage"], ["show"], ["linage", "x"], ["lineage", "x", "--rows", "1"]])
def test_a_wrong_command_line_is_one_line(arguments):
    with pytest.raises(UserError) as error:
        main(arguments)
    assert "--help" in str(error.value) and "\n" not in str(error.value)
