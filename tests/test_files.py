"""Files that are there whole or not at all, and work that only the same work resumes."""

import json
import os
import re
import subprocess
import sys

import pytest

from rewardscope import files
from rewardscope.errors import UserError
from rewardscope.files import Twice, finished, forget, link, once, read_json, resumable, sweep, whole


def names(folder) -> set[str]:
    return set(os.listdir(folder))


def test_a_file_appears_at_the_end(tmp_path):
    with whole(tmp_path / "deep" / "table.csv") as file:
        file.write_text("half")
        assert not (tmp_path / "deep" / "table.csv").exists()
        file.write_text("all")
    assert (tmp_path / "deep" / "table.csv").read_text() == "all"
    assert names(tmp_path / "deep") == {"table.csv"}


def test_a_folder_appears_at_the_end(tmp_path):
    (tmp_path / "model").mkdir()  # as Snakemake makes it
    (tmp_path / "model" / "old").touch()
    with whole(tmp_path / "model") as folder:
        folder.mkdir()
        (folder / "weights").write_text("w")
        assert names(tmp_path / "model") == {"old"}
    assert names(tmp_path) == {"model"} and names(tmp_path / "model") == {"weights"}


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_appears_on_an_error(tmp_path, folder, error):
    with pytest.raises(error), whole(tmp_path / "x") as path:
        if folder:
            path.mkdir()
            (path / "a").write_text("half")
        else:
            path.write_text("half")
        raise error
    assert names(tmp_path) == set()


def test_what_was_there_stays_on_an_error(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("old")
    for name in ("file", "folder"):
        with pytest.raises(RuntimeError), whole(tmp_path / name) as path:
            path.mkdir() if name == "folder" else path.write_text("new")
            raise RuntimeError
    assert names(tmp_path) == {"file", "folder"}
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "a").read_text() == "old"


def test_a_file_is_replaced(tmp_path):
    for text in ("old", "new"):
        with whole(tmp_path / "file") as path:
            path.write_text(text)
    assert (tmp_path / "file").read_text() == "new" and names(tmp_path) == {"file"}


def test_a_block_that_writes_nothing_replaces_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("old")
    with pytest.raises(FileNotFoundError), whole(tmp_path / "folder"):
        pass
    assert (tmp_path / "folder" / "a").read_text() == "old"


def test_what_a_killed_job_left_is_removed(tmp_path):
    left = {}
    for name in ("file", "folder"):
        with whole(tmp_path / name) as path:
            left[name] = path
            path.mkdir() if name == "folder" else path.write_text("")
    left["file"].mkdir()  # whatever its kind
    (left["file"] / "half").touch()
    left["folder"].write_text("half")
    with whole(tmp_path / "file") as path:
        assert not path.exists()
        path.write_text("new")
    with whole(tmp_path / "folder") as path:
        path.mkdir()
        (path / "new").touch()
    assert names(tmp_path) == {"file", "folder"}
    assert (tmp_path / "file").read_text() == "new" and names(tmp_path / "folder") == {"new"}


WRITERS = {
    "text": "file.write_text('x' * 300_000)",
    "weights": "import torch; from safetensors.torch import save_file; save_file({'x': torch.ones(90_000)}, file)",
    "table": "import pandas, random; pandas.DataFrame({'x': [random.random() for _ in range(90_000)]}).to_parquet(file)",
    "folder": "file.mkdir(); (file / 'small').write_text('x'); (file / 'large').write_bytes(bytes(300_000))",
    "state": "import torch; from rewardscope import states; states.save(file, 1, {'x': torch.ones(90_000)})",
}


@pytest.mark.parametrize("name", WRITERS)
def test_where_there_is_no_room_nothing_half_is_left_and_it_is_said(tmp_path, name):
    """A process whose files may have 100 kB."""
    (tmp_path / "out").write_text("old")
    code = f"""
import resource
from rewardscope.errors import UserError
from rewardscope.files import whole
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with whole("out") as file:
        {WRITERS[name]}
except UserError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=100).stdout
    assert re.fullmatch(r"\S+: cannot be written, the disk is full or a quota used up; make room and run again\n", said)
    assert said.startswith("out: " if name != "state" else ".out.partial/state00000001: ")
    assert names(tmp_path) == {"out"} and (tmp_path / "out").read_text() == "old"


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), whole(tmp_path / "x") as path:
        (path / "y").write_text("")  # no such folder


def test_resumable(tmp_path):
    work = tmp_path / "deep" / "work"
    same = {"inputs": ["abc", "def"], "settings": {"kl": 0.1, "updates": 3}, "seed": 1}
    assert resumable(work, **same) == work and work.is_dir()
    (work / "step1").write_text("x")
    (work / "more").mkdir()
    resumable(work, seed=1, settings={"updates": 3, "kl": 0.1}, inputs=["abc", "def"])  # the order of keys is nothing
    assert (work / "step1").exists()
    for other in ({"seed": 2}, {"inputs": ["def", "abc"]}, {"settings": {"kl": 0.2, "updates": 3}}):
        resumable(work, **same)
        (work / "step1").write_text("x")
        resumable(work, **{**same, **other})
        assert names(work) == {"fingerprint.json"}
    (work / "fingerprint.json").unlink()  # work of nobody knows what
    (work / "step1").write_text("x")
    resumable(work, **same)
    assert names(work) == {"fingerprint.json"}


def test_a_half_removed_work_folder_is_not_resumed_from(tmp_path, monkeypatch):
    work = resumable(tmp_path / "work", seed=1)
    (work / "state").mkdir()
    (work / "state" / "weights").touch()
    monkeypatch.setattr(files.shutil, "rmtree", lambda *_, **__: (work / "state" / "weights").unlink())  # and is killed
    forget(work)
    monkeypatch.undo()
    assert names(work) == {"state"}
    resumable(work, seed=1)  # by the very same job
    assert names(work) == {"fingerprint.json"}


def test_what_is_finished_is_swept_and_nothing_else(tmp_path):
    done, more, half = (resumable(tmp_path / "work" / name, seed=1) for name in ("saes/a/b", "rlhf/c", "saes/a/d"))
    finished(done)
    finished(more)
    resumable(done, seed=1)  # killed before Snakemake knew: the job runs again, and still finds it
    assert "finished" in names(done)
    sweep(tmp_path / "work" / "saes")
    assert not done.exists() and more.exists() and half.exists()
    sweep(tmp_path / "work")
    assert not more.exists() and names(half) == {"fingerprint.json"}
    sweep(tmp_path / "nowhere")


def test_a_file_or_folder_is_linked(tmp_path, monkeypatch):
    folder(tmp_path / "source", a="x", b_c="y")
    link(tmp_path / "source", tmp_path / "one")
    link(tmp_path / "source" / "a", tmp_path / "a")
    assert (tmp_path / "one" / "b" / "c").samefile(tmp_path / "source" / "b" / "c") and (tmp_path / "a").samefile(tmp_path / "source" / "a")

    def refuse(*_):
        raise OSError("no hard links here")

    monkeypatch.setattr(files.os, "link", refuse)
    link(tmp_path / "source", tmp_path / "two")
    assert (tmp_path / "two" / "b" / "c").read_text() == "y" and not (tmp_path / "two" / "a").samefile(tmp_path / "source" / "a")


def folder(path, **files: str):
    for name, text in files.items():
        file = path / name.replace("_", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("layers.json", '{"top1": 2', r"layers.json: not JSON \(.*\); it may be cut short: delete it"),
        ("seed1.jsonl", '{"a": 1}\n{"a": \n', r"seed1.jsonl, line 2: not JSON \("),
        ("seed1.jsonl", b'{"a": "\xff"}\n', r"seed1.jsonl: cannot be read \("),
        ("layers.json", None, r"layers.json: cannot be read \("),
        ("layers.json", "[" * 100_000, r"layers.json: not JSON \("),
        ("layers.json", "[2]", r"layers.json: JSON, but no map; delete it, and the rule that made it makes it anew"),
        ("layers.json", "null", r"layers.json: JSON, but no map; "),
        ("seed1.jsonl", '{"a": 1}\n2\n', r"seed1.jsonl, line 2: JSON, but no map; "),
    ],
)
def test_broken_json_names_its_file(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said) as error:
        read_json(tmp_path / name)
    assert "\n" not in str(error.value)


def test_json_and_its_lines(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1]}\n')
    (tmp_path / "a.jsonl").write_text('{"a": "ü\u2028"}\n\n{"b": 2}\n', encoding="utf-8")
    held, rows = read_json(tmp_path / "a.json"), read_json(tmp_path / "a.jsonl")
    assert held == {"a": [1]} and rows == [{"a": "ü\u2028"}, {"b": 2}]
    assert held.get("b") is None and "b" not in held and json.dumps({**held, "b": 1}) == '{"a": [1], "b": 1}'


def test_a_key_that_is_not_there_names_its_file(tmp_path):
    (tmp_path / "metrics.json").write_text('{"mse": 1.0}')
    (tmp_path / "seed1.jsonl").write_text('{"a": 1}\n{"b": 2}\n')
    with pytest.raises(UserError, match=r"metrics.json: has no tokens; delete it, and the rule that made it makes it anew$"):
        read_json(tmp_path / "metrics.json")["tokens"]
    with pytest.raises(UserError, match=r"seed1.jsonl, line 2: has no a; "):
        [line["a"] for line in read_json(tmp_path / "seed1.jsonl")]


def test_a_key_that_a_user_gives_twice():
    assert json.loads('{"a": {"b": 1}, "b": 2}', object_pairs_hook=once) == {"a": {"b": 1}, "b": 2}
    for text in ('{"a": 1, "b": 2, "a": 1}', '[{"b": {"a": 1, "a": 2}}]'):
        with pytest.raises(Twice, match="^the key a is given twice in one object; remove one of them$"):
            json.loads(text, object_pairs_hook=once)
