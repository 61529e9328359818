"""Documents from files: what is read, and in which order."""

import subprocess
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from document_files import FORMS, ROWS, entry, raw, write

from rewardscope.data import documents


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
