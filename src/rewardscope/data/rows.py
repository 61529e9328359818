"""CSV, JSON and Parquet that a user wrote, as rows by their number; what is malformed is refused by file and row, never mended by a guess.

And what a table of ours may hold, so that as CSV it can be read again.
"""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rewardscope.errors import UserError, brief
from rewardscope.files import Twice, once
from rewardscope.text import plain

Pick = Callable[[list[str], str], list[str]]  # of the names of columns, and of where they stand, those that are wanted
QUOTES = "a text with a comma, quote or line break needs double quotes"


def text_of(path: str) -> str:
    """A file's text. Raises UserError where there is no such file, where it cannot be read or is not UTF-8."""
    if not Path(path).is_file():
        raise UserError(f"{path}: there is no such file; paths are relative to {Path.cwd()}")
    try:
        return decoded(path, Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({brief(error)}); it may be cut short, or closed to you") from error


def decoded(where: str, content: bytes) -> str:
    """UTF-8, with or without a byte order mark, as text."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, before = error.object.count(b"\n", 0, error.start) + 1, error.object.rfind(b"\n", 0, error.start)
        raise UserError(f"{where}, line {line}, byte {error.start - before} is not UTF-8; save the file as UTF-8") from error


def savable(text: str, where: str) -> str:
    """The text. Raises UserError where it holds half of a surrogate pair, which JSON can write and no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where} holds half of a surrogate pair, \\u{ord(text[error.start]):04x}; remove it") from error
    return text


def wanted(names: list[str], needed: list[str], where: str, remedy: str) -> list[str]:
    """The `needed` names of columns, if each is there once. Raises UserError; `remedy` says what to do where one is missing."""
    if missing := [name for name in needed if name not in names]:
        parted = next((f"; its fields are parted by {mark!r}, save it with commas" for mark in ";\t|" if len(names) == 1 and mark in names[0]), "")
        raise UserError(f"{where}: no column {' and '.join(missing)}; it has {', '.join(map(str, names)) or 'none'}{parted or remedy}")
    if twice := [name for name in needed if names.count(name) > 1]:
        raise UserError(f"{where}: {names.count(twice[0])} columns are named {twice[0]}; rename or remove all but one")
    return needed


def csv_rows(where: str, content: str, pick: Pick, mark: str = ",", names: list[str] | None = None, above: int = 0) -> dict[int, dict[str, str]]:
    """The wanted columns of each row by its number, header and empty lines counted; fields are parted by `mark`.

    The first `above` rows are none; the next one is the header, unless `names` are given. Raises UserError for a row with more or fewer
    fields than there are column names.
    """
    limit = csv.field_size_limit(sys.maxsize)  # a document may be longer than 128 KiB
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=mark, strict=True)
    place = lambda names: {name: names.index(name) for name in pick(names, where)}
    columns, rows = place(names) if names else {}, {}
    try:
        for number, fields in enumerate(reader, start=1):
            if not fields:
                continue
            if above:
                above -= 1
            elif not names:
                names, columns = fields, place(fields)
            elif len(fields) != len(names):
                few = "fewer" if len(fields) < len(names) else "more"
                raise UserError(f"{where}, row {number}: {few} fields than column names, {len(fields)} and {len(names)}; {QUOTES}")
            else:
                rows[number] = {name: fields[column] for name, column in columns.items()}
    except csv.Error as error:
        raise UserError(f"{where}, line {reader.line_num}: not CSV ({brief(error)}); {QUOTES}, or the file is cut short") from error
    finally:
        csv.field_size_limit(limit)  # it is the process's
    if not names:
        pick([], where)
    return rows


def json_rows(where: str, content: str) -> dict[int, dict]:
    """The objects of JSON lines by their line; empty lines are passed over. Raises UserError for any other line."""
    rows = {}
    for number, line in enumerate(io.StringIO(content, newline=None), start=1):
        try:
            row = json.loads(line, object_pairs_hook=once) if line.strip() else None
        except Twice as error:
            raise UserError(f"{where}, line {number}: {brief(error)}") from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}, line {number}: not JSON ({brief(error)}); it may be cut short") from error
        if isinstance(row, dict):
            rows[number] = row
        elif line.strip():
            raise UserError(f"{where}, line {number}: not a JSON object; a line holds one object")
    return rows


def json_table(where: str, content: str, field: str | None = None) -> dict[int, dict]:
    """The objects of a JSON list by their number, of the list under `field`, or of JSON lines by their line; what else stands there is left out.

    Raises UserError for a key that is given twice, and for what is not JSON.
    """

    def objects(value: object) -> object:
        if isinstance(value, tuple):
            return once([(key, objects(inner)) for key, inner in value])
        return [objects(inner) for inner in value] if isinstance(value, list) else value

    place, rows = where, {}
    try:
        held = json.loads(content, object_pairs_hook=tuple)  # an object as its pairs, so that the row of a twin is known
        if field and isinstance(held, tuple):
            held = dict(held).get(field, [])
        for number, row in enumerate(held if isinstance(held, list) else [held], start=1):
            place = f"{where}, row {number}"
            if isinstance(row, tuple):
                rows[number] = objects(row)
    except Twice as error:
        raise UserError(f"{place}: {brief(error)}") from error
    except ValueError:
        return json_rows(where, content)
    except RecursionError as error:
        raise UserError(f"{place}: not JSON that can be read ({brief(error)}); it is nested too deep") from error
    return rows


def parquet(path: str, pick: Pick) -> pa.Table:
    """The wanted columns of a Parquet file. Raises UserError where there is no such file or where it cannot be read."""
    if not Path(path).is_file():
        raise UserError(f"{path}: there is no such file; paths are relative to {Path.cwd()}")
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=pick(file.schema_arrow.names, path))
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read ({brief(error)}); it may be cut short, or closed to you") from error


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow column of that type holds texts, in whatever form they are stored."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def picked(where: str, content: str, pick: Pick, mark: str | None) -> dict[int, dict]:
    """The wanted columns of CSV whose fields are parted by `mark`, or without one of JSON lines: rows by their number."""
    if mark:
        return csv_rows(where, content, pick, mark)
    return {number: {name: row[name] for name in pick(list(row), f"{where}, line {number}")} for number, row in json_rows(where, content).items()}


def printable(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its text as a terminal may show it.

    A token of a byte-level vocabulary may be a carriage return, which ends a row for every reader, and which the writer of Python before 3.13
    leaves without quotes.
    """
    texts = {name: table[name].map(lambda value: plain(value) if isinstance(value, str) else value) for name in table.select_dtypes(exclude="number")}
    return table.assign(**texts)
