"""Documents from local files or the hub (`path:` or `hub:` of a corpus): text, label where there is one, shuffled."""
import re
import tempfile

import numpy as np
import pandas as pd
import pyarrow as pa

from rewardscope import document_files
from rewardscope.errors import UserError, brief
from rewardscope.seeds import derive

BREAK = re.compile(r"\s*<br\s*/?>\s*", re.IGNORECASE)
FORMS = ("parquet", "csv", "tsv", "json", "jsonl", "txt", "arrow")  # of data on the hub: no scripts, no pickles
DATA = ["README.md", ".huggingface.yaml", *(f"*.{form}{packed}" for form in FORMS for packed in ("", ".gz", ".zst"))]


def read(entry: dict, seed: int) -> tuple[dict[str, pd.DataFrame], dict]:
    """Train and test documents of a `corpora:` entry, and where they are from (with the commit of a hub data set).

    Columns `text: str` and, where the data have the label column, `label: int8`. Shuffled before `max_documents` cuts
    (IMDb is sorted by label). `path` beside `hub` is a local copy of it, and is read instead. Raises UserError, naming the file and what to do, where something cannot be read.
    """
    tables, source = _local(entry) if entry["path"] else _hub(entry)
    parts = {}
    for part, (where, table) in tables.items():
        order = np.random.default_rng(derive(seed, "shuffle", part)).permutation(len(table))
        limit = (entry["max_documents"] or {}).get(part)
        frame = table.take(pa.array(order[:limit])).to_pandas()
        if entry["strip_breaks"]:
            frame["text"] = pd.Series([_stripped(text) for text in frame["text"]], dtype=frame["text"].dtype)
        if not frame["text"].str.strip().any():
            raise UserError(f"{where}: it holds no documents")
        parts[part] = frame
    return parts, source


def _stripped(text: str) -> str:
    """`<br />` and its variants become a space, and runs of spaces one."""
    return re.sub(" {2,}", " ", BREAK.sub(" ", text)).strip()


def _local(entry: dict) -> tuple[dict[str, tuple[str, pa.Table]], dict]:
    """The tables of local files, each with its name."""
    paths = entry["path"]
    return {part: (path, document_files.read(path, entry["text"], entry["label"])) for part, path in paths.items()}, {"path": paths}


def _hub(entry: dict) -> tuple[dict[str, tuple[str, pa.Table]], dict]:
    """The tables of a hub data set's splits train and test, each with its name; all from one commit."""
    import datasets  # and the hub's client: local and embedded corpora need neither

    from rewardscope import hub

    name, revision = entry["hub"]["name"], entry["hub"]["revision"]
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
            names = document_files.columns(splits[part].column_names, entry["text"], entry["label"], where)
            tables[part] = where, document_files.checked(splits[part].select_columns(names).with_format("arrow")[:], where)
    return tables, {"hub": name, "revision": revision, "commit": commit}
