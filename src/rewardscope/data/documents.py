"""Documents from local files or the hub (`path:` or `hub:` of a corpus): text, label where there is one, shuffled."""

import io
import re
from unicodedata import normalize

import numpy as np
import pandas as pd
import pyarrow as pa

from rewardscope.data import rows
from rewardscope.errors import UserError
from rewardscope.seeds import derive

BREAK = re.compile(r"\s*<br\s*/?>\s*", re.IGNORECASE)
LABEL = "a label is a whole number from -128 to 127, in every row; to go without labels, set label to a name that no column has"


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
    return rows.wanted(names, [text, label] if label in names and label != text else [text], where, ": set text to one of them")


def _checked(table: pd.DataFrame, text: str, label: str, where: str) -> pd.DataFrame:
    """The columns of a table, whose index numbers the rows, in our names and types, texts in NFC; a missing text is an empty one."""
    texts = table[text].astype(object).where(table[text].notna(), "")
    for row, value in texts.items():
        if not isinstance(value, str):
            raise UserError(f"{where}, row {row}: {text} is {value!r:.40}, not text; set text to another column")
        rows.savable(value, f"{where}, row {row}: {text}")
    composed = [normalize("NFC", text) for text in texts]  # an accent of its own is not another letter: as words are compared (`data.words`)
    frame = pd.DataFrame({"text": pd.Series(composed, texts.index, dtype="str")})
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
    if not path.endswith(".parquet"):
        content = rows.text_of(path)
        if path.endswith(".txt") or not content.strip():
            return pd.DataFrame({text: [line.strip() for line in io.StringIO(content, newline=None) if line.strip()]})
        return _rows(path, content, text, label, "," if path.endswith(".csv") else None)
    return _numbered(rows.parquet(path, lambda names, where: _columns(names, text, label, where)), text, path)


def _rows(where: str, content: str, text: str, label: str, mark: str | None) -> pd.DataFrame:
    """Text and label of CSV whose fields are parted by `mark`, or without one of JSON lines, rows by their number."""
    read = rows.picked(where, content, lambda names, where: _columns(names, text, label, where), mark)
    return pd.DataFrame(list(read.values()), index=list(read), columns=None if read else [text], dtype=object)


def _hub(entry: dict) -> tuple[dict[str, tuple[str, pd.DataFrame]], dict]:
    """The tables of a hub data set's splits train and test, each with its name; all from one commit."""
    from rewardscope.data import splits  # and the hub's client: local and embedded corpora need neither

    text, label = entry["text"], entry["label"]
    pick = lambda names, where: _columns(names, text, label, where)
    parts, source = splits.read(**entry["hub"], splits=("train", "test"), pick=pick, instead="name local files with path: instead")
    return {part: (where, _numbered(table, text, where)) for part, (where, table) in parts.items()}, source
