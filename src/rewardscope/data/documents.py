"""Documents from local files or the hub (`path:` or `hub:` of a corpus): text, label where there is one, shuffled."""

import csv
import io
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rewardscope.errors import UserError, brief
from rewardscope.seeds import derive

BREAK = re.compile(r"\s*<br\s*/?>\s*", re.IGNORECASE)
FORMS = ("parquet", "csv", "tsv", "json", "jsonl", "txt", "arrow")  # of data on the hub: no scripts, no pickles
DATA = ["README.md", ".huggingface.yaml", *(f"*.{form}{packed}" for form in FORMS for packed in ("", ".gz", ".zst"))]
LABEL = "every row has a label, a whole number from -128 to 127, or none (label names its column)"
QUOTES = "a text with a comma, quote or line break needs double quotes"


def read(entry: dict, seed: int) -> tuple[dict[str, pd.DataFrame], dict]:
    """Train and test documents of a `corpora:` entry, and where they are from (with the commit of a hub data set).

    Columns `text: str` and, where the data have the label column, `label: int8`. Shuffled before `max_documents` cuts
    (IMDb is sorted by label). `path` beside `hub` is a local copy of it, and is read instead. Raises UserError, naming
    the file, the row and what to do, where something cannot be read.
    """
    text, label, paths = entry["text"], entry["label"], entry["path"]
    if paths:
        tables, source = {part: (path, _file(path, text, label)) for part, path in paths.items()}, {"path": paths}
    else:
        tables, source = _hub(entry)
    parts = {}
    for part, (where, table) in tables.items():
        frame = _checked(table, text, label, where)
        order = np.random.default_rng(derive(seed, "shuffle", part)).permutation(len(frame))
        limit = (entry["max_documents"] or {}).get(part)
        frame = frame.iloc[order[:limit]].reset_index(drop=True)
        if entry["strip_breaks"]:
            frame["text"] = pd.Series([_stripped(text) for text in frame["text"]], dtype=frame["text"].dtype)
        if not frame["text"].str.strip().any():
            raise UserError(f"{where}: it holds no documents")
        parts[part] = frame
    return parts, source


def _stripped(text: str) -> str:
    """`<br />` and its variants become a space, and runs of spaces one."""
    return re.sub(" {2,}", " ", BREAK.sub(" ", text)).strip()


def _columns(names: list[str], text: str, label: str, where: str) -> list[str]:
    """Of a table's columns the text, and the label where there is one."""
    if text not in names:
        raise UserError(f"{where}: no column {text}; it has {', '.join(map(str, names)) or 'none'}: set text to one of them")
    return [text, label] if label in names and label != text else [text]


def _checked(table: pd.DataFrame, text: str, label: str, where: str) -> pd.DataFrame:
    """The columns of a table, whose index numbers the rows, in our names and types; a missing text is an empty one."""
    texts = table[text].astype(object).where(table[text].notna(), "")
    for row, value in texts.items():
        if not isinstance(value, str):
            raise UserError(f"{where}, row {row}: {text} is {value!r:.40}, not text; set text to another column")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"{where}, row {row}: {text} holds half of a surrogate pair, \\u{ord(value[error.start]):04x}; remove it") from error
    frame = pd.DataFrame({"text": texts.astype("str")})
    if label in table and label != text:
        given = table[label].astype(object).where(table[label].notna(), None)
        shown = given.map(str)  # 1.0, True and None are no whole numbers
        labels = pd.to_numeric(shown.where(shown.str.fullmatch(r"\s*[+-]?[0-9]{1,4}\s*")))
        if len(bad := labels.index[~labels.between(-128, 127)]):
            raise UserError(f"{where}, row {bad[0]}: {label} is {given[bad[0]]!r:.40}; {LABEL}")
        frame["label"] = labels.astype("int8")
    return frame


def _numbered(table: pa.Table, text: str, where: str) -> pd.DataFrame:
    """An Arrow table as a data frame, rows numbered from 1; what Parquet does not check, UTF-8, is checked here."""
    try:
        table[text].validate(full=True)
    except pa.ArrowInvalid as error:
        values = table[text].cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
        row = next(row for row, value in enumerate(values, start=1) if value and value.decode(errors="ignore").encode() != value)
        raise UserError(f"{where}, row {row}: {text} is not UTF-8; write the file again as UTF-8") from error
    frame = table.to_pandas(integer_object_nulls=True)
    return frame.set_axis(frame.index + 1)


def _file(path: str, text: str, label: str) -> pd.DataFrame:
    """Text and label, where there is one, of a .parquet, .csv, .jsonl or .txt file (a document a line)."""
    if not Path(path).is_file():
        raise UserError(f"{path}: there is no such file; paths are relative to {Path.cwd()}")
    try:
        if path.endswith(".parquet"):
            with pq.ParquetFile(path) as file:
                return _numbered(file.read(columns=_columns(file.schema_arrow.names, text, label, path)), text, path)
        content = Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read ({brief(error)}); it may be cut short, or closed to you") from error
    except UnicodeDecodeError as error:
        line, before = error.object.count(b"\n", 0, error.start) + 1, error.object.rfind(b"\n", 0, error.start)
        raise UserError(f"{path}, line {line}, byte {error.start - before} is not UTF-8; save the file as UTF-8") from error
    if path.endswith(".txt") or not content.strip():
        return pd.DataFrame({text: [line.strip() for line in io.StringIO(content, newline=None) if line.strip()]})
    return _csv(path, content, text, label) if path.endswith(".csv") else _json_lines(path, content, text, label)


def _csv(path: str, content: str, text: str, label: str) -> pd.DataFrame:
    """Rows by their number, header and empty lines counted."""
    limit = csv.field_size_limit(sys.maxsize)  # the strict engine of pandas is Python's csv, which allows 128 KiB
    lines = io.StringIO(content, newline="")
    try:
        rows = pd.read_csv(lines, engine="python", header=None, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except pd.errors.ParserError as error:
        place = "" if " in line " in str(error) else f", line {content.count(chr(10), 0, lines.tell() - 1) + 1}"
        raise UserError(f"{path}{place}: not CSV ({brief(error)}); {QUOTES}, or the file is cut short") from error
    finally:
        csv.field_size_limit(limit)  # it is the process's: a lexicon's word may not be so long
    rows = rows.set_axis(rows.index + 1).dropna(how="all")  # an empty line has no fields: all are missing
    if len(short := rows.index[rows.isna().any(axis=1)]):
        raise UserError(f"{path}, row {short[0]}: fewer fields than column names; {QUOTES}")
    columns = {name: column for column, name in rows.iloc[0].items()}
    return pd.DataFrame({name: rows[columns[name]].iloc[1:] for name in _columns(list(columns), text, label, path)})


def _json_lines(path: str, content: str, text: str, label: str) -> pd.DataFrame:
    """Rows by their line."""
    rows = {}
    for number, line in enumerate(io.StringIO(content, newline=None), start=1):
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: not JSON ({brief(error)}); it may be cut short") from error
        if isinstance(row, dict):
            rows[number] = {name: row[name] for name in _columns(list(row), text, label, f"{path}, line {number}")}
        elif line.strip():
            raise UserError(f"{path}, line {number}: not a JSON object; a line holds one document as an object")
    return pd.DataFrame(list(rows.values()), index=list(rows), dtype=object)


def _hub(entry: dict) -> tuple[dict[str, tuple[str, pd.DataFrame]], dict]:
    """The tables of a hub data set's splits train and test, each with its name; all from one commit."""
    import datasets  # and the hub's client: local and embedded corpora need neither

    from rewardscope.data import hub

    name, revision, text = entry["hub"]["name"], entry["hub"]["revision"], entry["text"]
    folder, commit = hub.snapshot(name, revision, "dataset", DATA)
    datasets.disable_progress_bars()
    instead = "name local files with path: instead"
    tables = {}
    with tempfile.TemporaryDirectory() as cache:  # the usual one would keep a second copy of everything
        try:
            splits = datasets.load_dataset(str(folder), cache_dir=cache)
        except Exception as error:  # each format has its own
            raise UserError(f"data set {name} cannot be read ({brief(error)}); {instead}") from error
        for part in ("train", "test"):
            if part not in splits:
                raise UserError(f"data set {name} has no split {part}, only {', '.join(splits)}; {instead}")
            where = f"data set {name}, split {part}"
            names = _columns(splits[part].column_names, text, entry["label"], where)
            tables[part] = where, _numbered(splits[part].select_columns(names).with_format("arrow")[:], text, where)
    return tables, {"hub": name, "revision": revision, "commit": commit}
