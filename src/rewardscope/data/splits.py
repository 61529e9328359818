"""Splits of a data set of the hub as Arrow tables: Parquet, Arrow, CSV, JSON and text; no loading script and no pickle is fetched."""

import tempfile
from pathlib import Path

import datasets
import pyarrow as pa

from rewardscope.data import hub, rows
from rewardscope.errors import UserError, brief

FORMS = ("parquet", "csv", "tsv", "json", "jsonl", "txt", "arrow")
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
    """Raises UserError for CSV or JSON lines of the hub that are malformed: `datasets` shifts columns, fills gaps and renames twins in silence.

    `config`: how `datasets` reads them; what its card's author describes, as CSV without a header, is left to it.
    """
    kind = next((form for form in (".csv", ".tsv", ".jsonl") if form in Path(file).suffixes[-2:]), None)
    if kind in (None, ".jsonl") or (config.header, config.names, config.column_names, config.skiprows) == ("infer", None, None, None):
        if kind and (content := rows.decoded(where, pa.input_stream(file, compression="detect").read())).strip():
            rows.picked(where, content, pick, None if kind == ".jsonl" else config.sep)
