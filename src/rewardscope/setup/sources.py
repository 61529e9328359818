"""What a checkpoint and documents say of themselves, from small files alone: `init` asks nobody for it, and loads no weights."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rewardscope.config.config import tuned_checkpoint
from rewardscope.data import documents, hub, rows
from rewardscope.errors import UserError, brief
from rewardscope.files import once

SMALL = ["config.json", "adapter_config.json", "tokenizer.json", "README.md"]  # of a hub repository
MEASURED = 200  # documents whose tokens are counted
CHARACTERS = 4  # of a token, where there is no tokenizer to count with
NO_LABEL = "no label"
TEXT = ("string", "large_string", "string_view")  # of a hub data set's columns
NUMBER = re.compile(r"\s*(?:[+-]?\d[\d.,eE+-]*)?\s*")  # or nothing
LOCAL = (".parquet", ".csv", ".jsonl", ".txt")


class Checkpoint(NamedTuple):
    """What is known of a model, or of an adapter, before its weights are read."""

    name: str
    folder: Path
    kind: str = ""  # class of the model, "" of an adapter
    d_model: int = 0
    layers: int = 0
    context: int | None = None  # longest sequence, tokens; None where its config does not say
    base: str | None = None  # of an adapter the model that it was trained on, as a folder or hub id


class Documents(NamedTuple):
    """What is known of a corpus before the workflow reads it."""

    entry: dict  # under `corpora:`, without max_documents
    counts: dict[str, int]  # train and test documents, where they are known
    texts: list[str]  # some of those of test


def checkpoint(name: str) -> Checkpoint:
    """Of a folder or hub id (`id@revision`). Raises UserError where it cannot be read or is neither model nor adapter."""
    entry = tuned_checkpoint(name)
    if "hub" in entry:
        folder, _ = hub.snapshot(entry["hub"], entry["revision"], "model", SMALL)
    elif not (folder := Path(entry["path"])).is_dir():
        raise UserError(f"{name}: there is no such folder, and no model of the hub can have that name; paths are relative to {Path.cwd()}")
    if (folder / "config.json").is_file():
        return _model(name, folder)
    if (folder / "adapter_config.json").is_file():
        return Checkpoint(name, folder, base=_base_of(name, folder / "adapter_config.json"))
    raise UserError(f"{name}: neither config.json nor adapter_config.json is in it; name the folder of a Hugging Face model or of an adapter")


def _model(name: str, folder: Path) -> Checkpoint:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        sizes = config.get_text_config()
        d_model, layers = int(sizes.hidden_size), int(sizes.num_hidden_layers)
    except Exception as error:  # each architecture checks its own
        raise UserError(f"{name}: config.json cannot be used ({brief(error)})") from error
    context = getattr(sizes, "max_position_embeddings", None)  # some architectures have no longest sequence
    return Checkpoint(name, folder, (config.architectures or [config.model_type])[0], d_model, layers, context if isinstance(context, int) else None)


def _base_of(name: str, file: Path) -> str | None:
    """The base that an adapter names, with its revision; None where it names none."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=once)
        base, revision = told.get("base_model_name_or_path"), told.get("revision")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"{name}: adapter_config.json is no JSON map ({brief(error)}); copy it again") from error
    if not (base and isinstance(base, str)):
        return None
    pinned = isinstance(revision, str) and revision not in ("", "main") and "hub" in tuned_checkpoint(base)
    return f"{base}@{revision}" if pinned else base


def corpus(files: list[str], text: str | None) -> Documents:
    """Of one file, which is then train and test, of a train and a test file, or of a data set of the hub.

    Local files are read as the workflow reads them, so that what is wrong in them is said now. `text`: the column, where it is given.
    Raises UserError.
    """
    if len(files) > 2:
        raise UserError(f"--corpus has {len(files)} names; it takes one file, a train and a test file, or a data set of the hub")
    entry = tuned_checkpoint(files[0])
    if len(files) == 1 and "hub" in entry and not files[0].endswith(LOCAL):
        return _of_hub(entry["hub"], entry["revision"], text)
    paths = {"train": files[0], "test": files[-1]}
    for file in paths.values():
        if not file.endswith(LOCAL):
            raise UserError(f"{file}: --corpus takes {', '.join(LOCAL)} files, or a data set of the hub")
    text = text or ("text" if files[-1].endswith(".txt") else _text_column(files[-1], _columns(files[-1])))
    entry = {"path": paths, "text": text, "label": "label"}
    read = lambda entry: documents.read({**entry, "strip_breaks": True, "max_documents": None}, 0)[0]
    try:
        parts = read(entry)
    except UserError as error:
        try:
            parts = read(entry := {**entry, "label": NO_LABEL})  # a pair of checkpoints needs no labels, whatever a column `label` holds
        except UserError:
            raise error from None
    return Documents(entry, {part: len(table) for part, table in parts.items()}, parts["test"]["text"].head(MEASURED).tolist())


def _columns(file: str) -> list[str]:
    """Columns of a local file that may hold texts."""
    if file.endswith(".parquet"):
        try:
            schema = pq.read_schema(file)
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{file}: cannot be read ({brief(error)}); it may be cut short, or closed to you") from error
        return [field.name for field in schema if rows.is_text(field.type)]
    content = rows.text_of(file)
    if file.endswith(".csv"):
        some = list(rows.csv_rows(file, content, lambda names, _: names).values())[:MEASURED]
        return [name for name in next(iter(some), []) if not all(NUMBER.fullmatch(row[name]) for row in some)]
    row = next(iter(rows.json_rows(file, content).values()), {})
    return [name for name, value in row.items() if isinstance(value, str)]


def _text_column(where: str, names: list[str]) -> str:
    if "text" in names:
        return "text"
    if len(names) != 1:
        raise UserError(f"{where}: no column text; say with --text which of these holds the texts: {', '.join(names) or 'none does'}")
    return names[0]


def _of_hub(name: str, revision: str | None, text: str | None) -> Documents:
    """What a data set's card says of its splits and columns; where it says nothing, nothing is known."""
    from huggingface_hub import DatasetCard

    entry = {"hub": {"name": name} | ({"revision": revision} if revision else {}), "text": text or "text"}
    folder, _ = hub.snapshot(name, revision, "dataset", ["README.md"])
    try:
        info = DatasetCard.load(folder / "README.md").data.to_dict()["dataset_info"]
        info = info[0] if isinstance(info, list) else info
        counts = {str(split["name"]): int(split["num_examples"]) for split in info["splits"]}
        columns = [str(feature["name"]) for feature in info["features"] if feature["dtype"] in TEXT]
    except Exception:  # cards are written by hand, or not at all
        return Documents(entry, {}, [])
    if lacking := [part for part in ("train", "test") if part not in counts]:
        raise UserError(f"data set {name} has no split {' and no '.join(lacking)}, only {', '.join(counts)}; save its documents and name the files")
    return Documents({**entry, "text": text or _text_column(f"data set {name}", columns)}, {part: counts[part] for part in ("train", "test")}, [])


def lengths(folder: Path, texts: list[str]) -> tuple[list[int], bool]:
    """Tokens of each text, and whether the model's own tokenizer counted them; else from the characters."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return [len(tokenizer.encode(text).ids) for text in texts], True
    except Exception:  # the library raises Exception; a tokenizer of another form is the model's loader's to judge
        return [len(text) // CHARACTERS for text in texts], False
