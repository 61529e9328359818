"""Malformed tables, as files (tests/inputs): each reader refuses each of them, by file and row."""

from pathlib import Path

import fake_hub
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rewardscope.data import documents, rows
from rewardscope.errors import UserError
from rewardscope.rewards.utility import load_table, utility

INPUTS = Path(__file__).parents[1] / "inputs"
NUMBER = "not a number as 1.5 or -2 (no comma, no other mark)"
WITHOUT = "a label is a whole number from -128 to 127, in every row; to go without labels, set label to a name that no column has"
QUOTES = "a text with a comma, quote or line break needs double quotes"
LEXICA = {
    "decimal_comma": f", row 3: more fields than column names, 3 and 2; {QUOTES}",
    "decimal_comma_quoted": f", row 3: the utility of 'good' is '1,5', {NUMBER}",
    "thousands": f", row 2: the utility of 'good' is '1.234,5', {NUMBER}",
    "underscore": f", row 2: the utility of 'good' is '1_5', {NUMBER}",
    "arabic_digits": f", row 2: the utility of 'good' is '١', {NUMBER}",
    "semicolons": ": no column word and utility; it has word;utility; its fields are parted by ';', save it with commas",
    "tabs": ": no column word and utility; it has word utility; its fields are parted by '\\t', save it with commas",
    "short": f", row 4: fewer fields than column names, 1 and 2; {QUOTES}",
    "twice": ": 2 columns are named utility; rename or remove all but one",
    "phrase_chinese": ", row 3: '很好看' is not a single word, so it could never be counted; "
    "texts hold it as '很好', '看': give these rows of their own, or remove the row",
    "phrase_thai": ", row 2: 'ดีมาก' is not a single word, so it could never be counted; "
    "texts hold it as 'ดี', 'มาก': give these rows of their own, or remove the row",
    "emoji": ", row 2: '👍' is not a single word, so it could never be counted; remove the row",
    "two_forms": ", row 3: 'café' has two utilities, 1.0 and 2.0",
}
TABLES = {
    "more.csv": f", row 3: more fields than column names, 3 and 2; {QUOTES}",
    "more_everywhere.csv": f", row 2: more fields than column names, 3 and 2; {QUOTES}",
    "fewer.csv": f", row 4: fewer fields than column names, 1 and 2; {QUOTES}",
    "twice.csv": ": 2 columns are named text; rename or remove all but one",
    "label_twice.csv": ": 2 columns are named label; rename or remove all but one",
    "semicolons.csv": ": no column text; it has text;label; its fields are parted by ';', save it with commas",
    "decimal_comma.csv": f", row 2: label is '1,5'; {WITHOUT}",
    "thousands.csv": f", row 2: label is '1.234'; {WITHOUT}",
    "twice.jsonl": ", line 3: the key text is given twice in one object; remove one of them",
    "twice_within.jsonl": ", line 1: the key a is given twice in one object; remove one of them",
    "cut.jsonl": ", line 2: not JSON (Unterminated string starting at: line 1 column 10 (char 9)); it may be cut short",
    "joined.jsonl": ", line 1: not JSON (Extra data: line 1 column 19 (char 18)); it may be cut short",
    "list.jsonl": ", line 1: not JSON (Expecting value: line 2 column 1 (char 2)); it may be cut short",
}


def entry(**keys) -> dict:
    return {"hub": None, "path": None, "text": "text", "label": "label", "max_documents": None, "strip_breaks": False, **keys}


def complaint(read, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_input_is_tried():
    assert {file.name for file in (INPUTS / "tables").iterdir()} == set(TABLES)
    assert {file.stem for file in (INPUTS / "lexica").iterdir()} == {*LEXICA, "scripts"}


@pytest.mark.parametrize("name", LEXICA)
def test_malformed_lexica(name):
    file = str(INPUTS / "lexica" / f"{name}.csv")
    assert complaint(load_table, file) == file + LEXICA[name]


def test_a_lexicon_of_several_scripts():
    table = load_table(str(INPUTS / "lexica" / "scripts.csv"))
    assert table == {"café": 1, "अच्छी": 2, "جَمِيلٌ": 1, "好看": 3, "ดี": 1.5, "צה״ל": 0.5}
    assert utility("CAFE\u0301 🙂 好看。", table) == pytest.approx(4 / 5)
    assert utility('ภาพยนตร์เรื่องนี้ดีมาก, צה"ל', table) == pytest.approx(2 / 5)


@pytest.mark.parametrize("name", TABLES)
def test_malformed_documents(name):
    file = str(INPUTS / "tables" / name)
    assert complaint(documents.read, entry(path={"train": file, "test": file}), 1) == file + TABLES[name]


@pytest.mark.parametrize(
    "name", ["more.csv", "more_everywhere.csv", "fewer.csv", "fewer.tsv", "twice.csv", "semicolons.csv", "twice.jsonl", "cut.jsonl"]
)
def test_malformed_documents_on_the_hub(tmp_path, monkeypatch, name):
    """`datasets` would shift the columns of two of them, take the first of two columns, and make up what is missing."""
    fake_hub.connect(monkeypatch, tmp_path)
    content = (INPUTS / "tables" / name.replace("tsv", "csv")).read_bytes()
    form = name.split(".")[1]
    content = content.replace(b",", b"\t") if form == "tsv" else content
    files = {"README.md": b"# Reviews\n", f"train.{form}": content, f"test.{form}": content}
    fake_hub.lay_out(tmp_path, "dataset", "org/odd", fake_hub.FIRST, files)
    said = complaint(documents.read, entry(hub={"name": "org/odd", "revision": None}), 1)
    assert said == f"data set org/odd, train.{form}" + TABLES[name.replace("tsv", "csv")]


def card(settings: str = "", form: str = "csv") -> bytes:
    """A data set card that says how its tables are read."""
    files = f"  - {{split: train, path: train.{form}}}\n  - {{split: test, path: test.{form}}}\n"
    return f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}{settings}---\n".encode()


NAMES = "  names: [text, label]\n"
TWICE = "the key text is given twice in one object; remove one of them"


@pytest.mark.parametrize(
    ("form", "settings", "content", "said"),
    [
        ("json", "", '[{"text": "a", "label": 1}, {"text": "b", "text": "c", "label": 1}]', f", row 2: {TWICE}"),
        ("json", "", '{"text": "a", "label": 1}\n\n{"text": "b", "text": "c", "label": 1}\n', f", line 3: {TWICE}"),
        ("json", "  field: rows\n", '{"rows": [{"label": 1, "text": "a", "text": "b"}]}', f", row 1: {TWICE}"),
        ("json", "", '[{"text": "a"}, {"body": "b"}]', ", row 2: no column text; it has body: set text to one of them"),
        ("csv", NAMES, "a,1\nb,c,1\n", f", row 2: more fields than column names, 3 and 2; {QUOTES}"),
        ("csv", NAMES + "  header: 0\n", "body,stars\na,1\nb\n", f", row 3: fewer fields than column names, 1 and 2; {QUOTES}"),
        ("csv", "  header: 1\n", "of 2026\n\ntext,label\na,1\nb,c,1\n", f", row 5: more fields than column names, 3 and 2; {QUOTES}"),
    ],
)
def test_malformed_documents_whose_card_describes_them(tmp_path, monkeypatch, form, settings, content, said):
    fake_hub.connect(monkeypatch, tmp_path)
    files = {"README.md": card(settings, form), f"train.{form}": content.encode(), f"test.{form}": content.encode()}
    fake_hub.lay_out(tmp_path, "dataset", "org/odd", fake_hub.FIRST, files)
    assert complaint(documents.read, entry(hub={"name": "org/odd", "revision": None}), 1) == f"data set org/odd, train.{form}{said}"


def test_json_nested_too_deep():
    assert complaint(rows.json_table, "x.json", "[" * 10**5).startswith("x.json: not JSON that can be read (")


def test_sound_documents_on_the_hub(tmp_path, monkeypatch):
    """CSV, tabs, JSON and packed JSON lines, as `datasets` reads them, and Parquet by a name that speaks of CSV; another dialect is left to it."""
    fake_hub.connect(monkeypatch, tmp_path)
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "gzip") as stream:
        stream.write('{"text": "cafe\u0301", "label": 1}\n'.encode())
    pq.write_table(pa.table({"text": ["cafe\u0301"], "label": [1]}), parquet := pa.BufferOutputStream())
    given = {
        "csv": ('text,label\n"cafe\u0301",1\n'.encode(), b""),
        "tsv": ("label\ttext\n1\tcafe\u0301\n".encode(), b""),
        "jsonl.gz": (packed.getvalue().to_pybytes(), b""),
        "json": ('[{"text": "cafe\u0301", "label": 1}]'.encode(), b""),
        "csv.parquet": (parquet.getvalue().to_pybytes(), b""),
        "named.csv": ("cafe\u0301,1\n".encode(), card(NAMES)),
        "renamed.csv": ("body,stars\ncafe\u0301,1\n".encode(), card(NAMES + "  header: 0\n")),
        "latin1.csv": ("text,label\ncaf\u00e9,1\n".encode("latin-1"), card("  encoding: latin-1\n")),
        "quoted.csv": ("'text','label'\n'cafe\u0301',1\n".encode(), card('  quotechar: "\'"\n')),
        "spaces.csv": ("text label\ncafe\u0301 1\n".encode(), card('  sep: " +"\n  engine: python\n')),
    }
    for number, (form, (content, readme)) in enumerate(given.items()):
        end = form.rsplit(".", 1)[1] if readme else form
        files = {"README.md": readme or b"# Reviews\n", f"train.{end}": content, f"test.{end}": content}
        fake_hub.lay_out(tmp_path, "dataset", f"org/sound{number}", fake_hub.FIRST, files)
        part = documents.read(entry(hub={"name": f"org/sound{number}", "revision": None}), 1)[0]["train"]
        assert part.values.tolist() == [["café", 1]], form


def test_parquet_with_a_name_twice(tmp_path):
    pq.write_table(pa.table([["a"], ["b"], [1]], names=["text", "text", "label"]), file := str(tmp_path / "twice.parquet"))
    assert (
        complaint(documents.read, entry(path={"train": file, "test": file}), 1) == f"{file}: 2 columns are named text; rename or remove all but one"
    )


@pytest.mark.parametrize("kind", [pa.string_view(), pa.large_string(), pa.dictionary(pa.int8(), pa.large_string())], ids=str)
def test_text_in_all_but_name(tmp_path, kind):
    table = pa.table({"text": pa.array(["cafe\u0301", None, "b"]).cast(kind), "label": pa.array(["1", "2", "3"]).cast(kind)})
    pq.write_table(table, file := str(tmp_path / "data.parquet"))
    part = documents.read(entry(path={"train": file, "test": file}), 1)[0]["train"]
    assert sorted(part.values.tolist()) == [["", 2], ["b", 3], ["café", 1]]  # and in NFC


def test_columns_of_no_use_may_be_alike():
    assert rows.csv_rows("x.csv", "a,b,a\n1,2,3\n", lambda names, where: rows.wanted(names, ["b"], where, "")) == {2: {"b": "2"}}


def test_a_table_of_tokens_can_be_read_again(tmp_path):
    """A lone carriage return, a line's end and a bell in tokens; numbers, flags and what is missing stay."""
    table = pd.DataFrame({"more": ["a\rb", 'x "y"\n', "\a", None], "score": [1.5, 2.0, float("nan"), 4.0], "shown": [True, False, True, True]})
    rows.printable(table).to_csv(tmp_path / "table.csv", index=False)
    again = pd.read_csv(tmp_path / "table.csv")
    assert again["more"].tolist()[:3] == ["a b", 'x "y" ', "·"] and pd.isna(again["more"][3])
    assert again["score"].equals(table["score"]) and again["shown"].tolist() == [True, False, True, True]
