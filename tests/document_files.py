"""Files of documents as users write them."""

from pathlib import Path

import pandas as pd
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
