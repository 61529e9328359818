"""Every complaint about files of documents, as the line that a user reads."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from document_files import FORMS, complaint, entry, raw, write

from rewardscope.data import documents


def test_missing_file_and_folder(tmp_path):
    here = f"there is no such file; paths are relative to {Path.cwd()}"
    good = write(tmp_path, "csv")
    assert complaint(tmp_path / "no.csv") == f"{tmp_path / 'no.csv'}: {here}"
    assert complaint(good, tmp_path / "no.parquet") == f"{tmp_path / 'no.parquet'}: {here}"
    (tmp_path / "folder.csv").mkdir()
    assert complaint(tmp_path / "folder.csv") == f"{tmp_path / 'folder.csv'}: {here}"


def test_forbidden_file(tmp_path, monkeypatch):
    """(Permissions would not do: tests may run as root.)"""

    def forbidden(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    file = write(tmp_path, "csv")
    said = f"{file}: cannot be read ([Errno 13] Permission denied: '{file}'); it may be cut short, or closed to you"
    assert complaint(file) == said


@pytest.mark.parametrize("form", [*FORMS, "txt"])
def test_no_documents(tmp_path, form):
    file = raw(tmp_path, "txt", b" \n\n") if form == "txt" else write(tmp_path, form, [])
    assert complaint(file) == f"{file}: it holds no documents"
    if form != "txt":
        assert complaint(file := write(tmp_path, form, [(" ", 1), ("<br />", 1)]), strip_breaks=True) == f"{file}: it holds no documents"


@pytest.mark.parametrize("form", ["csv", "jsonl", "txt"])
def test_an_empty_file(tmp_path, form):
    assert complaint(file := raw(tmp_path, form, b"")) == f"{file}: it holds no documents"


@pytest.mark.parametrize("form", FORMS)
def test_missing_column(tmp_path, form):
    where = ", line 1" if form == "jsonl" else ""
    file = write(tmp_path, form)
    assert complaint(file, text="review") == f"{file}{where}: no column review; it has text, more, label: set text to one of them"


@pytest.mark.parametrize("keep", [0, 3, 200, -9])
def test_cut_parquet(tmp_path, keep):
    file = write(tmp_path, "parquet")
    raw(tmp_path, "parquet", file.read_bytes()[:keep])
    assert (said := complaint(file)).startswith(f"{file}: cannot be read (") and said.endswith("it may be cut short, or closed to you")


def test_damaged_parquet(tmp_path):
    file = write(tmp_path, "parquet", [(f"document {i} " * 9, 1) for i in range(5000)])
    content = bytearray(file.read_bytes())
    content[3000:9000] = bytes(6000)
    raw(tmp_path, "parquet", content)
    assert complaint(file).startswith(f"{file}: cannot be read (")


@pytest.mark.parametrize(
    ("form", "content", "said"),
    [
        (
            "csv",
            b"text,label\nbad film, very bad,0\n",
            ", row 2: more fields than column names, 3 and 2; a text with a comma, quote or line break needs double quotes",
        ),
        (
            "csv",
            b"text,label\nx,1\ny\n",
            ", row 3: fewer fields than column names, 1 and 2; a text with a comma, quote or line break needs double quotes",
        ),
        (
            "csv",
            b'text,label\nx,1\n"an open quote,1\n',
            ", line 3: not CSV (unexpected end of data); a text with a comma, quote or line break needs double quotes, or the file is cut short",
        ),
        (
            "csv",
            b'label,text\n1,x\n\n2,"cut sho',
            ", line 4: not CSV (unexpected end of data); a text with a comma, quote or line break needs double quotes, or the file is cut short",
        ),
        (
            "csv",
            b'label,text\n1,"x\n2,"y"\n3,z\n',
            """, line 3: not CSV (',' expected after '"'); a text with a comma, quote or line break needs double quotes, or the file is cut short""",
        ),
        (
            "csv",
            b'text,label\n\n"x\ny",1\n\nz\n',
            ", row 5: fewer fields than column names, 1 and 2; a text with a comma, quote or line break needs double quotes",
        ),
        (
            "jsonl",
            b'{"text": "x"}\n{"text": "y',
            ", line 2: not JSON (Unterminated string starting at: line 1 column 10 (char 9)); it may be cut short",
        ),
        ("jsonl", b'["x"]\n', ", line 1: not a JSON object; a line holds one object"),
        ("jsonl", b'{"text": "x"}\n{"txt": "y"}\n', ", line 2: no column text; it has txt: set text to one of them"),
        ("jsonl", b"{}\n", ", line 1: no column text; it has none: set text to one of them"),
        ("jsonl", b'{"text": "\\ud800"}\n', ", row 1: text holds half of a surrogate pair, \\ud800; remove it"),
        (
            "jsonl",
            b"[" * 100_000,
            ", line 1: not JSON (maximum recursion depth exceeded while decoding a JSON array from a unicode string); it may be cut short",
        ),
    ],
)
def test_malformed_lines(tmp_path, form, content, said):
    file = raw(tmp_path, form, content)
    assert complaint(file) == f"{file}{said}"


@pytest.mark.parametrize("form", ["csv", "jsonl", "txt"])
@pytest.mark.parametrize(("bad", "line", "byte"), [(b"caf\xe9", 3, None), ("utf-16", 1, 1)])
def test_undecodable_bytes(tmp_path, form, bad, line, byte):
    good = {"csv": b"text\nfine\n", "jsonl": b'{"text": "fine"}\n\n', "txt": b"fine\n\n"}[form]
    odd = {"csv": b"%s\n", "jsonl": b'{"text": "%s"}\n', "txt": b"%s\n"}[form]
    content = (good + odd % b"cafe").decode().encode("utf-16") if bad == "utf-16" else good + odd % bad
    byte = byte or odd.index(b"%s") + 4
    file = raw(tmp_path, form, content)
    assert complaint(file) == f"{file}, line {line}, byte {byte} is not UTF-8; save the file as UTF-8"


def test_undecodable_parquet(tmp_path):
    texts = pa.chunked_array([[b"fine", b"good"], [b"caf\xe9", None]], pa.binary())
    table = pa.table({"text": pa.chunked_array([chunk.view(pa.string()) for chunk in texts.chunks])})
    pq.write_table(table, file := tmp_path / "data.parquet", row_group_size=2)
    assert complaint(file) == f"{file}, row 3: text is not UTF-8; write the file again as UTF-8"


def test_text_that_is_not_text(tmp_path):
    file = write(tmp_path, "parquet")
    assert complaint(file, text="more") == f"{file}, row 1: more is 1.5, not text; set text to another column"
    pq.write_table(pa.table({"text": [b"x"]}), file)
    assert complaint(file) == f"{file}, row 1: text is b'x', not text; set text to another column"
    file = raw(tmp_path, "jsonl", b'{"text": "x"}\n{"text": [1, 2]}\n')
    assert complaint(file) == f"{file}, row 2: text is [1, 2], not text; set text to another column"


WHOLE = "a label is a whole number from -128 to 127, in every row; to go without labels, set label to a name that no column has"


@pytest.mark.parametrize("label", [1.5, "pos", None, 300, 128, -129, True])
def test_label_that_is_no_small_whole_number(tmp_path, label):
    file = raw(tmp_path, "jsonl", "".join(json.dumps({"text": "x", "label": x}) + "\n" for x in (1, label)).encode())
    assert complaint(file) == f"{file}, row 2: label is {label!r}; {WHOLE}"
    file = raw(tmp_path, "csv", f"text,label\nx,1\ny,{'' if label is None else label}\n".encode())
    assert complaint(file) == f"{file}, row 3: label is '{'' if label is None else label}'; {WHOLE}"
    column = pa.array([True, label] if label is True else [str(label)] * 2 if label == "pos" else [1, label])
    pq.write_table(pa.table({"text": ["x", "y"], "label": column}), file := tmp_path / "data.parquet")
    bad = {1.5: (1, 1.0), "pos": (1, "pos"), True: (1, True)}.get(label, (2, label))  # of a column of one type, its first
    assert complaint(file) == f"{file}, row {bad[0]}: label is {bad[1]!r}; {WHOLE}"


def test_label_that_is_one(tmp_path):
    file = raw(tmp_path, "csv", b"label,text\n +7 ,a\n-128,b\n")
    assert dict(documents.read(entry(file), 1)[0]["train"].values.tolist()) == {"a": 7, "b": -128}
    file = raw(tmp_path, "jsonl", b'{"text": "a", "label": "7"}\n{"text": "b", "label": 127}\n')
    assert dict(documents.read(entry(file), 1)[0]["train"].values.tolist()) == {"a": 7, "b": 127}


@pytest.mark.parametrize("order", [0, 1])
def test_some_labels_only(tmp_path, order):
    lines = [b'{"text": "x", "label": 1}\n', b'{"text": "y"}\n']
    file = raw(tmp_path, "jsonl", b"".join(lines[::-1] if order else lines))
    assert complaint(file) == f"{file}, row {2 - order}: label is None; {WHOLE}"
