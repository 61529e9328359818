"""Splits of a data set of the hub as Arrow tables: Parquet, Arrow, CSV, JSON and text; no loading script and no pickle is fetched."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import datasets
import pyarrow as pa

from rewardscope.data import hub, rows
from rewardscope.errors import UserError, brief

FORMS = ("parquet", "csv", "tsv", "json", "jsonl", "txt", "arrow")
DIALECT = (  # of CSV, as a card may describe it
    "skiprows", "skipfooter", "usecols", "index_col", "quotechar", "quoting", "escapechar", "doublequote", "comment", "lineterminator", "dialect",
)  # fmt: skip
DATA = ["README.md", ".huggingface.yaml", *(f"*.{form}{packed}" for form in FORMS for packed in ("", ".gz", ".zst"))]


def read(
    name: str, revision: str | None, splits: tuple[str, ...], pick: rows.Pick, instead: str, record: str | Path | None = None, other: str = ""
) -> tuple[dict[str, tuple[str, pa.Table]], dict]:
    """Split -> where it stands, in words, and the columns that `pick` wants of it; and the source, with the commit that all are of.

    `record` is an earlier source as JSON: another commit of the same name and revision is refused. `instead`: what a complaint advises,
    and `other` before it where a split is missing.
    Raises UserError, naming the data set, where there is no such split or column, or where something cannot be read.
    """
    folder, commit = hub.snapshot(name, revision, "dataset", DATA)
    source = {"hub": name, "revision": revision, "commit": commit}
    hub.unchanged(source, "dataset", record)
    datasets.disable_progress_bars()
    tables = {}
    with tempfile.TemporaryDirectory() as cache:  # the usual one would keep a second copy of everything
        try:
            config = datasets.load_dataset_builder(str(folder), cache_dir=cache).config
            for split in splits:
                for file in config.data_files.get(split, []):
                    _sound(f"data set {name}, {Path(file).relative_to(folder)}", file, config, pick)
            every = datasets.load_dataset(str(folder), cache_dir=cache)
        except UserError:
            raise
        except Exception as error:  # each format has its own
            raise UserError(f"data set {name} cannot be read ({brief(error.__cause__ or error)}); {instead}") from error
        for split in splits:
            if split not in every:
                raise UserError(f"data set {name} has no split {split}, only {', '.join(every)}; {other}{instead}")
            where = f"data set {name}, split {split}"
            tables[split] = where, every[split].select_columns(pick(every[split].column_names, where)).with_format("arrow")[:]
    return tables, source


def _sound(where: str, file: str, config, pick: rows.Pick) -> None:
    """Raises UserError for CSV or JSON of the hub that is malformed: `datasets` shifts columns, fills gaps and renames or drops twins in silence.

    `config`: how `datasets` reads them. CSV whose card describes another dialect or encoding, or no names of columns, is left to it.
    """
    kind = Path(file.removesuffix(".gz").removesuffix(".zst")).suffix
    if kind not in (".csv", ".tsv", ".json", ".jsonl") or not _usual(config, ["encoding"]):
        return
    if not (content := rows.decoded(where, pa.input_stream(file, compression="detect").read())).strip():
        return
    if kind == ".jsonl":
        rows.picked(where, content, pick, None)
    elif kind == ".json":
        for number, row in rows.json_table(where, content, config.field).items():
            pick(list(row), f"{where}, row {number}")
    elif _usual(config, DIALECT) and len(config.sep or "") == 1:
        header = config.header if config.header != "infer" else None if config.names else 0  # the row of the header, as pandas finds it
        if isinstance(header, int):
            rows.csv_rows(where, content, pick, config.sep, config.names, above=header + bool(config.names))
        elif header is None and config.names:
            rows.csv_rows(where, content, pick, config.sep, config.names)


def _usual(config, keys: Iterable[str]) -> bool:
    """Whether a data set's card leaves these settings of its reader as they are."""
    return all(getattr(config, key) == getattr(type(config)(), key) for key in keys)
