"""Documents from files and from the hub: what is read, in which order, and every complaint as the line that a user reads."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fake_hub
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rewardscope.data import documents
from rewardscope.errors import UserError

ROWS = [('good, "very" good\nfilm', 1), ("NA", 0), ("dull", 0), (" naïve 映画 ", 1), ("null", -128), ("last", 127)]
FORMS = ("parquet", "csv", "jsonl")


def entry(train, test=None, **keys) -> dict:
    """A `corpora:` entry as the rule passes it."""
    paths = {"train": str(train), "test": str(test or train)}
    return {"hub": None, "path": paths, "text": "text", "label": "label", "max_documents": None, "strip_breaks": False, **keys}


def write(folder: Path, form: str, rows=ROWS, names=("text", "label")) -> Path:
    """The rows as a file, a further column between the two."""
    file = folder / f"data.{form}"
    texts, labels = pd.Series([text for text, _ in rows], dtype="str"), pd.Series([label for _, label in rows], dtype="int64")
    frame = pd.DataFrame({names[0]: texts, "more": 1.5, names[1]: labels})
    if form == "parquet":
        frame.to_parquet(file, index=False)
    elif form == "csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_json(file, orient="records", lines=True)
    return file


def complaint(train, test=None, **keys) -> str:
    with pytest.raises(UserError) as caught:
        documents.read(entry(train, test, **keys), 1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def raw(folder: Path, form: str, content: bytes) -> Path:
    file = folder / f"data.{form}"
    file.write_bytes(content)
    return file


# ---- what is read ----------------------------------------------------------------------------
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_documents(tmp_path, form):
    parts, source = documents.read(entry(file := write(tmp_path, form)), 1)
    assert list(parts) == ["train", "test"] and source == {"path": {"train": str(file), "test": str(file)}}
    for part in parts.values():
        assert sorted(zip(part["text"], part["label"], strict=True)) == sorted(ROWS)  # "NA" is a text like any other
        assert part.dtypes.astype(str).to_dict() == {"text": "str", "label": "int8"}
        part.to_parquet(tmp_path / "corpus.parquet", index=False)
        assert pq.read_schema(tmp_path / "corpus.parquet").types == [pa.large_string(), pa.int8()]


@pytest.mark.parametrize("form", FORMS)
def test_other_column_names(tmp_path, form):
    file = write(tmp_path, form, names=("review", "stars"))
    part = documents.read(entry(file, text="review", label="stars"), 1)[0]["train"]
    assert part.columns.tolist() == ["text", "label"] and len(part) == len(ROWS)
    assert documents.read(entry(file, text="review"), 1)[0]["train"].columns.tolist() == ["text"]  # no such label column


def test_text_file(tmp_path):
    file = raw(tmp_path, "txt", "\ufeffone\r\n\n  \n two words\u2028still \nthree".encode())
    part = documents.read(entry(file), 1)[0]["train"]
    assert sorted(part["text"]) == ["one", "three", "two words\u2028still"] and part.columns.tolist() == ["text"]


def test_forms_of_arrow_text_and_label(tmp_path):
    for n, (text, label) in enumerate([(pa.large_string(), pa.uint8()), (pa.dictionary(pa.int32(), pa.string()), pa.int64())]):
        table = pa.table({"text": pa.array(["b", None, "a"]).cast(text), "label": pa.array([1, 2, 3]).cast(label)})
        pq.write_table(table, tmp_path / f"{n}.parquet")
        part = documents.read(entry(tmp_path / f"{n}.parquet"), 1)[0]["train"]
        assert set(zip(part["text"], part["label"], strict=True)) == {("b", 1), ("", 2), ("a", 3)}  # the corpus drops empty ones


def test_long_documents_and_odd_json(tmp_path):
    long = "word, " * 60_000
    file = write(tmp_path, "csv", [(long, 1), ("x", 2)])
    assert set(documents.read(entry(file), 1)[0]["train"]["text"]) == {long, "x"}
    file = raw(tmp_path, "jsonl", b'{"text": null, "label": 1, "extra": [1]}\n\n{"label": 2, "text": "\\ud83d\\ude42"}\n')
    assert set(documents.read(entry(file), 1)[0]["train"]["text"]) == {"", "\N{SLIGHTLY SMILING FACE}"}


# ---- order and number ------------------------------------------------------------------------
def test_shuffled_with_a_seed_and_then_cut(tmp_path):
    """Sorted by label as IMDb is: a cut must not hold one label only."""
    rows = [(f"document {i}", int(i >= 1000)) for i in range(2000)]
    file = write(tmp_path, "parquet", rows)
    whole = documents.read(entry(file), 1)[0]
    assert Counter(whole["train"]["text"]) == Counter(text for text, _ in rows)
    cut = documents.read(entry(file, max_documents={"train": 200, "test": None}), 1)[0]
    assert len(cut["train"]) == 200 and len(cut["test"]) == 2000
    assert abs(cut["train"]["label"].mean() - 0.5) < 0.15  # 4 standard errors
    assert cut["train"]["text"].tolist() == whole["train"]["text"].tolist()[:200]
    assert cut["train"]["text"].tolist() != whole["test"]["text"].tolist()[:200]  # a part has its own order
    assert documents.read(entry(file), 1)[0]["train"].equals(whole["train"])
    assert not documents.read(entry(file), 2)[0]["train"].equals(whole["train"])
    assert len(documents.read(entry(file, max_documents={"train": 5000, "test": 1}), 1)[0]["train"]) == 2000


def test_order_does_not_depend_on_the_form(tmp_path):
    rows = [(f"document {i}", 0) for i in range(50)]
    orders = [documents.read(entry(write(tmp_path, form, rows)), 1)[0]["train"]["text"].tolist() for form in FORMS]
    assert orders[0] == orders[1] == orders[2] != [text for text, _ in rows]


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("one<br /><br />two", "one two"),
        ("one <br> two<BR/>three<br\t/>", "one two three"),
        ("one<br />\nnext   line\nkept", "one next line\nkept"),
        ("a <b>bold</b> < br", "a <b>bold</b> < br"),
        ("<br />", ""),
    ],
)
def test_breaks(tmp_path, text, stripped):
    file = write(tmp_path, "parquet", [(text, 1), ("x", 1)])
    assert set(documents.read(entry(file, strip_breaks=True), 1)[0]["train"]["text"]) == {stripped, "x"}
    assert set(documents.read(entry(file), 1)[0]["train"]["text"]) == {text, "x"}  # only where the config says so


# ---- complaints about files ------------------------------------------------------------------
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


# ---- the hub ---------------------------------------------------------------------------------
def dataset(splits=("train", "test", "unsupervised"), card: str = "", start: str = "") -> dict[str, bytes]:
    """The files of a data set like IMDb's: Parquet by split in a folder, a card; a script and a pickle that no one may touch."""
    files = {"README.md": f"---\nlicense: other\n{card}---\n# Reviews\n".encode(), "LICENSE": b"none"}
    for split in splits:
        label = pa.array([i >= 20 for i in range(40)]).cast(pa.int64())
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"text": [f"{start}{split} {i}<br />" for i in range(40)], "label": label}), sink)
        files[f"plain/{split}-00000-of-00001.parquet"] = sink.getvalue().to_pybytes()
    return {**files, "reviews.py": b"raise SystemExit('a script has run')", "train.pkl": b"cos\nsystem\n(S'touch pickled'\ntR."}


def of_hub(name="org/reviews", revision=None, **keys) -> dict:
    return entry("", **{"hub": {"name": name, "revision": revision}, "path": None, **keys})


def test_hub_cache_without_a_network(tmp_path, monkeypatch):
    fake_hub.lay_out(tmp_path, "dataset", "org/reviews", fake_hub.FIRST, dataset())
    fake_hub.connect(monkeypatch, tmp_path)
    parts, source = documents.read(of_hub(strip_breaks=True, max_documents={"train": 30, "test": None}), 1)
    assert source == {"hub": "org/reviews", "revision": None, "commit": fake_hub.FIRST}
    assert set(parts) == {"train", "test"} and [len(part) for part in parts.values()] == [30, 40]
    assert sorted(parts["test"]["text"]) == sorted(f"test {i}" for i in range(40))
    assert all(row.label == (int(row.text.split()[1]) >= 20) for row in parts["train"].itertuples())
    assert parts["train"].dtypes.astype(str).to_dict() == {"text": "str", "label": "int8"}


def test_a_revision_and_a_newer_one(tmp_path, monkeypatch):
    """Each revision is read from its own commit, though another one's data lie in the cache."""
    fake_hub.lay_out(tmp_path, "dataset", "org/reviews", fake_hub.FIRST, dataset(), ref="v1")
    fake_hub.lay_out(tmp_path, "dataset", "org/reviews", fake_hub.SECOND, dataset(start="new "))
    fake_hub.connect(monkeypatch, tmp_path)
    for revision, commit, start in (("v1", fake_hub.FIRST, "t"), (None, fake_hub.SECOND, "new "), (fake_hub.FIRST, fake_hub.FIRST, "t")):
        parts, source = documents.read(of_hub(revision=revision), 1)
        assert source == {"hub": "org/reviews", "revision": revision, "commit": commit}
        assert all(part["text"].str.startswith(start).all() for part in parts.values())
    said = complaint_of_hub(revision="v3")
    assert said == "dataset org/reviews at v3 is not in the local hub cache, and the hub cannot be reached; name a local copy instead, with path:"


def complaint_of_hub(**keys) -> str:
    with pytest.raises(UserError) as caught:
        documents.read(of_hub(**keys), 1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_download(tmp_path, monkeypatch):
    """From a server: data and card come, scripts and pickles do not; afterwards the cache serves alone."""
    with fake_hub.serve("org/reviews", {"main": fake_hub.FIRST}, {fake_hub.FIRST: dataset()}) as (address, sent):
        fake_hub.connect(monkeypatch, tmp_path, address)
        parts, source = documents.read(of_hub(), 1)
        assert source["commit"] == fake_hub.FIRST and len(parts["train"]) == 40
        assert sorted(sent) == sorted(["README.md", *(path for path in dataset() if path.endswith(".parquet"))])
        assert complaint_of_hub(revision="v9") == "the hub has no dataset org/reviews at v9; set revision to a branch, tag or commit of it"
        said = "the hub shows no dataset org/nothing: check the name; for a private or gated one run `hf auth login`; "
        assert complaint_of_hub(name="org/nothing") == said + "or name a local copy instead, with path:"
    fake_hub.connect(monkeypatch, tmp_path, address)  # the server is gone
    assert documents.read(of_hub(), 1)[0]["train"].equals(parts["train"])


def test_hub_complaints(tmp_path, monkeypatch):
    fake_hub.connect(monkeypatch, tmp_path)
    said = "dataset org/reviews is not in the local hub cache, and the hub cannot be reached; name a local copy instead, with path:"
    assert complaint_of_hub() == said

    def given(name: str, files: dict[str, bytes], **keys) -> str:
        fake_hub.lay_out(tmp_path, "dataset", name, fake_hub.FIRST, files)
        return complaint_of_hub(name=name, **keys)

    said = given("org/one", dataset(("train",)))
    assert said == "data set org/one has no split test, only train; name local files with path: instead"
    said = given("org/two", dataset(), text="review")
    assert said == "data set org/two, split train: no column review; it has text, label: set text to one of them"
    cut = {path: content[:-20] if "train-" in path else content for path, content in dataset().items()}
    assert given("org/three", cut).startswith("data set org/three cannot be read (")
    said = given("org/four", {path: content for path, content in dataset().items() if not path.endswith(".parquet")})
    assert said.startswith("data set org/four cannot be read (") and "script" not in said
    several = "configs:\n- config_name: a\n  data_files: plain/train-*\n- config_name: b\n  data_files: plain/test-*\n"
    assert "Config name is missing" in given("org/five", dataset(card=several))


def test_environment_variables(tmp_path):
    """As a user sets them, in a fresh process; and nothing that was in the repository has run."""
    fake_hub.lay_out(tmp_path / "hub", "dataset", "org/reviews", fake_hub.FIRST, dataset())
    command = f"from rewardscope.data import documents; print(len(documents.read({of_hub()!r}, 1)[0]['test']))"
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run([sys.executable, "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "40\n", "")
    assert os.listdir(tmp_path) == ["hub"]


def test_local_files_need_no_hub(tmp_path):
    write(tmp_path, "parquet")
    command = f"import sys; from rewardscope.data import documents; documents.read({entry('data.parquet')!r}, 1); print('datasets' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout == "False\n", run.stderr


def test_other_columns_are_not_read(tmp_path):
    """They may be large: here they cannot even be decoded."""
    file = write(tmp_path, "parquet")
    with pq.ParquetFile(file) as table:
        chunk = table.metadata.row_group(0).column(1)
    content = bytearray(file.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    file.write_bytes(content)
    with pytest.raises(OSError):
        pq.read_table(file)
    assert len(documents.read(entry(file), 1)[0]["train"]) == len(ROWS)
