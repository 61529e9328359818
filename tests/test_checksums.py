"""A record of what was written, and what is said when it does not hold."""

import hashlib
import json
import os
import subprocess

import pytest
import tiny

from rewardscope import checksums
from rewardscope.checksums import checksum, fingerprint, intact, intact_folder, known, recorded, write
from rewardscope.errors import UserError
from rewardscope.models import models


def test_checksum_of_a_file(tmp_path):
    for name, data in (("empty", b""), ("small", b"abc"), ("large", b"0123456789" * 300_000)):
        (tmp_path / name).write_bytes(data)
        assert checksum(tmp_path / name) == hashlib.sha256(data).hexdigest()


def folder(path, **files: str):
    for name, text in files.items():
        file = path / name.replace("_", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def test_checksum_of_a_folder(tmp_path):
    """What the tool prints, by the tool itself; the file with Snakemake's date does not count."""
    (tmp_path / "0" / "d" / "e").mkdir(parents=True)  # an empty folder does not count either
    first = checksum(folder(tmp_path / "0", a="x", b_c="y"))
    printed = subprocess.run(["sha256sum", "a", "b/c"], cwd=tmp_path / "0", capture_output=True, check=True).stdout
    (tmp_path / "0" / ".snakemake_timestamp").touch()
    assert checksum(tmp_path / "0") == first == hashlib.sha256(printed).hexdigest() == fingerprint(tmp_path / "0")["sha256"]
    assert checksum(folder(tmp_path / "1", b_c="y", a="x")) == first  # wherever it lies
    others = [{"a": "x"}, {"a": "x", "b": "y"}, {"a": "y", "b_c": "x"}, {"a": "x", "b_c": "z"}, {"a": "x", "b_c": "y", "d": ""}]
    # what one file loses to the next, or a name to its content
    others += [{"a": "xb/cy", "z": ""}, {"a": "", "b_c": "xy"}, {"ax": "", "b_c": "y"}]
    sums = [checksum(folder(tmp_path / f"other{i}", **files)) for i, files in enumerate(others)]
    assert len({first, *sums}) == 1 + len(others)


def test_an_unchanged_file_is_not_read_again(tmp_path):
    file = tmp_path / "folder/a"
    file.parent.mkdir()
    file.write_text("one")
    earlier = fingerprint(file.parent)
    date = file.stat().st_mtime_ns
    file.write_text("two")  # of the same size
    os.utime(file, ns=(date, date))
    assert fingerprint(file.parent, earlier) == earlier
    assert fingerprint(file.parent)["files"]["a"]["sha256"] == hashlib.sha256(b"two").hexdigest()
    os.utime(file, ns=(date, date + 1))
    assert fingerprint(file.parent, earlier)["files"]["a"]["sha256"] == hashlib.sha256(b"two").hexdigest()
    (tmp_path / "folder/b").write_text("")
    assert set(fingerprint(file.parent, earlier)["files"]) == {"a", "b"}


@pytest.fixture
def kept(tmp_path):
    """A folder of two files, a hidden one and their record."""
    for name, text in (("a", "x"), ("b", "y"), (".hidden", "z")):
        (tmp_path / name).write_text(text)
    write(tmp_path)
    return tmp_path


def test_the_record(kept):
    sums = {name: hashlib.sha256(text).hexdigest() for name, text in (("a", b"x"), ("b", b"y"))}
    assert json.loads((kept / "checksums.json").read_text()) == sums == recorded(kept)
    write(kept)  # it does not count itself
    assert recorded(kept) == sums
    write(kept, {"b": "2", "a": "1"})
    assert list(recorded(kept).items()) == [("b", "2"), ("a", "1")]  # in the order given


def test_intact_is_the_path_itself(kept):
    assert intact(str(kept / "a")) == kept / "a" and intact_folder(kept) == kept


@pytest.mark.parametrize("damage", [b"X", b"", b"xx"])
def test_a_damaged_file_is_named(kept, damage):
    intact(kept / "a")
    (kept / "a").write_bytes(damage)
    os.utime(kept / "a", (1, 1))
    for check in (lambda: intact(kept / "a"), lambda: intact_folder(kept)):
        with pytest.raises(UserError, match="damaged, its SHA-256 is not the one in checksums.json; delete its folder and rerun") as error:
            check()
        assert str(error.value).startswith(f"{kept / 'a'}: ")


def test_a_file_that_is_gone_or_unknown_is_named(kept):
    (kept / "a").unlink()
    with pytest.raises(UserError, match=r"a: cannot be read \(No such file or directory\); delete its folder and rerun"):
        intact_folder(kept)
    (kept / "c").write_text("z")
    with pytest.raises(UserError, match="c: damaged"):
        intact(kept / "c")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(kept):
    (kept / "a").chmod(0)
    with pytest.raises(UserError, match=r"a: cannot be read \(Permission denied\)"):
        intact(kept / "a")


@pytest.mark.parametrize("record", [None, "", '{"a": '])
def test_a_record_that_is_gone_or_cut_short(kept, record):
    if record is None:
        (kept / "checksums.json").unlink()
    else:
        (kept / "checksums.json").write_text(record)
    with pytest.raises(UserError, match="checksums.json: cannot be read .*; delete its folder and rerun"):
        intact(kept / "a")


def test_a_file_is_read_once(kept, monkeypatch):
    intact(kept / "a")
    monkeypatch.setattr(checksums, "checksum", lambda _: pytest.fail("read again"))
    intact(kept / "a")


def test_known_reads_the_record_where_there_is_one(kept):
    before = known(kept)
    (kept / "a").write_text("changed")  # what intact is for
    assert known(kept) == before == checksum(kept / "checksums.json")
    (kept / "checksums.json").unlink()
    assert known(kept) == checksum(kept) and known(kept / "a") == checksum(kept / "a")


def test_a_model_is_checked_when_it_is_loaded(tmp_path):
    tiny.build("gpt_neox").save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    models.load(tmp_path)  # a folder of one's own has no record
    write(tmp_path)
    models.load(tmp_path), models.load_tokenizer(tmp_path)
    weights = tmp_path / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(data)
    for load in (models.load, models.load_tokenizer):
        with pytest.raises(UserError, match="model.safetensors: damaged"):
            load(tmp_path)


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """A results folder in which hashes are remembered, a file in it, and the list of files that were read."""
    read, digest = [], hashlib.file_digest
    monkeypatch.setattr(checksums.hashlib, "file_digest", lambda stream, kind: read.append(stream.name) or digest(stream, kind))
    monkeypatch.setattr(checksums, "_notes", None)
    monkeypatch.delenv(checksums.VERIFY, raising=False)
    checksums.remember(tmp_path)
    (tmp_path / "a").write_text("x")
    return tmp_path, tmp_path / "a", read


def test_a_file_is_hashed_once_a_run(noted):
    folder, file, read = noted
    assert checksum(file) == checksum(file) == hashlib.sha256(b"x").hexdigest() and len(read) == 1
    checksums.forget(folder)  # the next run
    assert checksum(file) == hashlib.sha256(b"x").hexdigest() and len(read) == 2


def test_a_file_that_changed_is_hashed_again_though_size_and_date_are_kept(noted):
    _, file, _ = noted
    before, stat = checksum(file), file.stat()
    file.write_text("y")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert checksum(file) == hashlib.sha256(b"y").hexdigest() != before


def test_nothing_is_remembered_where_all_is_to_be_verified(noted, monkeypatch):
    folder, file, read = noted
    monkeypatch.setenv(checksums.VERIFY, "1")
    checksums.remember(folder)
    assert checksum(file) == checksum(file) and len(read) == 2


def test_a_note_that_cannot_be_written_stops_nothing(noted):
    folder, file, _ = noted
    (folder / ".work").write_text("in the way")
    assert checksum(file) == hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize("text", ['["a.txt"]', "2", "null", '{"a.txt": 7}', '{"a.txt": {"sha256": "0"}}'])
def test_a_record_of_another_form(tmp_path, text):
    write(folder(tmp_path, a_txt="x", b="y"), {})
    (tmp_path / "checksums.json").write_text(text)
    for read in (lambda: recorded(tmp_path), lambda: intact(tmp_path / "b"), lambda: intact_folder(tmp_path)):
        with pytest.raises(UserError) as caught:
            read()
        assert str(caught.value) == f"{tmp_path / 'checksums.json'}: JSON, but no map from names to SHA-256; delete its folder and rerun"
