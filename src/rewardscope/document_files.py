"""The text and the label column of a data file, checked: .parquet, .csv, .jsonl, .txt (a document a line)."""
import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rewardscope.errors import UserError, brief

LABEL = "a label is a whole number from -128 to 127 (label names its column)"


def read(path: str, text: str, label: str) -> pa.Table:
    """`text: large_string` and, where the file has the column `label`, `label: int8`.

    Raises UserError, naming the file, the place in it and what to do, where it cannot be read.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: there is no such file; paths are relative to {Path.cwd()}")
    try:
        if not path.endswith(".parquet"):
            return _lines(path, text, label)
        with pq.ParquetFile(path) as file:
            return checked(file.read(columns=columns(file.schema_arrow.names, text, label, path)), path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read ({brief(error)}); it may be cut short, or closed to you") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, {_undecodable(path)} is not UTF-8; save the file as UTF-8") from error


def columns(names: list[str], text: str, label: str, where: str) -> list[str]:
    """Of a table's columns the text, and the label where there is one."""
    if text not in names:
        raise UserError(f"{where}: no column {text}; it has {', '.join(map(str, names)) or 'none'}: set text to one of them")
    return [text, label] if label in names and label != text else [text]


def checked(table: pa.Table, where: str) -> pa.Table:
    """A table of one or two columns, text and label, in our names and types; a missing text is an empty one."""
    text, *label = table.column_names
    kind = table[text].type.value_type if pa.types.is_dictionary(table[text].type) else table[text].type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise UserError(f"{where}: column {text} is {kind}, not text; set text to another column")
    done = {"text": table[text].cast(pa.large_string()).fill_null("")}  # large: offsets for any size
    if (row := _not_utf8(done["text"])) is not None:
        raise UserError(f"{where}: the text of row {row + 1} is not UTF-8; write the file again as UTF-8")
    for name in label:
        if not pa.types.is_integer(table[name].type):
            raise UserError(f"{where}: column {name} is {table[name].type}; {LABEL}")
        if table[name].null_count:
            raise UserError(f"{where}: {table[name].null_count} rows have no {name}; {LABEL}")
        try:
            done["label"] = table[name].cast(pa.int8())
        except pa.ArrowInvalid as error:
            raise UserError(f"{where}: column {name}: {brief(error)}; {LABEL}") from error
    return pa.table(done)


def _not_utf8(texts: pa.ChunkedArray) -> int | None:
    """The first row whose bytes are no UTF-8: Parquet does not check."""
    try:
        texts.validate(full=True)
        return None
    except pa.ArrowInvalid:
        values = (value.as_py() for value in texts.cast(pa.large_binary()))
        return next(row for row, value in enumerate(values) if value.decode(errors="replace").encode() != value)


def _lines(path: str, text: str, label: str) -> pa.Table:
    """The rows of a .csv, .jsonl or .txt file, of which every one or none has a label."""
    texts, labels = [], []
    rows = {"csv": _csv, "jsonl": _jsonl, "txt": _txt}[path.rsplit(".", 1)[1]]
    for line, row in rows(path, text):
        where = f"{path}, line {line}"
        names = columns(list(row), text, label, where)
        value = "" if row[text] is None else row[text]
        if not isinstance(value, str):
            raise UserError(f"{where}: {text} is {json.dumps(value)[:40]}, not text; set text to another column")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"{where}: {text} holds half of a surrogate pair, \\u{ord(value[error.start]):04x}; remove it") from error
        texts.append(value)
        labels += [_label(row[name], where, name) for name in names[1:]]
        if len(labels) not in (0, len(texts)):
            raise UserError(f"{where}: rows with and without {label}; every row needs one, or none may have it")
    table = {"text": pa.array(texts, pa.large_string())}
    return pa.table({**table, "label": pa.array(labels, pa.int8())} if labels else table)


def _label(value: object, where: str, name: str) -> int:
    whole = re.fullmatch(r"\s*[+-]?\d{1,4}\s*", value) if isinstance(value, str) else type(value) is int  # bool is no int here
    if not whole or not -128 <= int(value) <= 127:
        raise UserError(f"{where}: {name} is {json.dumps(value)[:40]}; {LABEL}")
    return int(value)


def _csv(path: str, text: str) -> Iterator[tuple[int, dict]]:
    limit = csv.field_size_limit(sys.maxsize)  # it is the process's: a document may be longer, a lexicon's word may not
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            for row in rows:
                if row and len(row) != len(header):
                    fields = f"{len(row)} fields under {len(header)} column names"
                    raise UserError(f"{path}, line {rows.line_num}: {fields}; a text with a comma, quote or line break needs double quotes")
                if row:
                    yield rows.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: not CSV ({error}); it may be cut short, or a quote left open") from error
    finally:
        csv.field_size_limit(limit)


def _jsonl(path: str, text: str) -> Iterator[tuple[int, dict]]:
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line) if line.strip() else None
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}, line {number}: not JSON ({brief(error)}); it may be cut short") from error
            if isinstance(row, dict):
                yield number, row
            elif line.strip():
                raise UserError(f"{path}, line {number}: not a JSON object; a line holds one document as an object")


def _txt(path: str, text: str) -> Iterator[tuple[int, dict]]:
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, {text: line.strip()}


def _undecodable(path: str) -> str:
    """Where a file stops being UTF-8."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number}, byte {error.start + 1}"
    return "its end"

