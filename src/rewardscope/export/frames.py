"""Autoencoders, features, explanations and findings of a results folder as data frames, one row a thing, with a data dictionary.

Where a row is from stands in its file's path. A base side that all pairs of a model share has no `reward` and no `run`.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rewardscope.errors import UserError, brief
from rewardscope.files import read_json

_SITE = r"(?:pairs/(?P<model>[^/]+)/(?P<reward>[^/]+)/run(?P<run>\d+)/(?P<side>base|rlhf)|bases/(?P<shared>[^/]+))"
_PLACE = r"/(?P<recipe>[^/]+)/(?P<pick>[^/]+)"
PATHS = {  # below the results folder, as results/README.md has them
    "saes": re.compile(rf"{_SITE}/saes{_PLACE}/width(?P<width>\d+)/seed(?P<seed>\d+)/sae\.safetensors"),
    "features": re.compile(rf"{_SITE}/features{_PLACE}/seed(?P<seed>\d+)\.parquet"),
    "explanations": re.compile(rf"{_SITE}/explanations{_PLACE}/[^/]+/seed(?P<seed>\d+)\.sample(?P<sample>\d+)\.jsonl"),
}
Layers = Mapping[str, Mapping[str, int]]
"""pair (`pairs/{model}/{reward}/run{run}`) -> pick -> layer, as `picks.read` gives it"""

TEXT, WHOLE, NUMBER = pa.string(), pa.int64(), pa.float64()
TOKENS = pa.list_(pa.struct({"id": WHOLE, "token": TEXT, "logit": NUMBER}))
EVIDENCE = pa.struct({"documents": pa.list_(WHOLE), "positions": pa.list_(WHOLE), "values": pa.list_(NUMBER)})
_PAIR = {
    "model": (TEXT, "base model, a name under the config's `models`"),
    "reward": (
        TEXT,
        "what the pair is named after: the reward that the model was tuned on, or the pair's own name; none of a base side that pairs share",
    ),
}
_PLACES = _PAIR | {
    "run": (WHOLE, "tuning run (its seed); none of a base side that pairs share"),
    "side": (TEXT, "`base`, or `rlhf`: the tuned model, however it was tuned"),
    "recipe": (TEXT, "how the autoencoder was trained, or that it was given: a name under `sae_recipes`"),
    "pick": (TEXT, "how the layer was chosen: `top1` the most divergent, `low1` the nearest the input, `layer3` itself"),
    "layer": (WHOLE, "the layer, from 0"),
}
_SEED = {"seed": (WHOLE, "replicate of the autoencoder")}
TABLES = {  # table -> column -> type, meaning
    "saes": _PLACES | {
        "width": (WHOLE, "features of the autoencoder"), **_SEED,
        "tied": (pa.bool_(), "whether the decoder is the transposed encoder"),
        "l1": (NUMBER, "coefficient of the sparsity penalty; none of one that was given"),
        "given": (pa.bool_(), "whether it was trained elsewhere and given"),
        "tokens": (WHOLE, "held tokens that the following are measured on"),
        "mse": (NUMBER, "mean over tokens and d_model of the squared error"),
        "fvu": (NUMBER, "fraction of variance unexplained"),
        "l0": (NUMBER, "features that are active on a token"),
        "dead": (NUMBER, "share of features that fire on no held token"),
        "path": (TEXT, "the autoencoder's folder, in the results folder and here"),
    },
    "features": _PLACES | _SEED | {
        "feature": (WHOLE, "number in the small dictionary"),
        "place": (WHOLE, "1 = best matched; none where it hardly fires and is not ranked"),
        "large": (WHOLE, "nearest feature of the large dictionary"),
        "cosine": (NUMBER, "cosine with it: the mean over features is MMCS"),
        "partner": (WHOLE, "partner in the large dictionary in a one-to-one assignment"),
        "partner_cosine": (NUMBER, "cosine with the partner"),
    },
    "explanations": _PLACES | _SEED | {
        "explainer": (TEXT, "`tokens`, which quotes words, or the chat model"),
        "sample": (WHOLE, "repetition of the explanation"),
        "place": (WHOLE, "of its feature by match, 1 = best"),
        "feature": (WHOLE, "number in the small dictionary"),
        "activates_on": (TEXT, "what the feature fires on, in words"),
        "promotes": (TEXT, "which tokens it makes more and less likely, in words"),
        "raised": (TOKENS, "tokens that its direction makes likelier, and by how many logits a unit"),
        "lowered": (TOKENS, "tokens that it makes less likely"),
        "evidence": (EVIDENCE, "where it fires most: document (row of the test documents), position in it, activation"),
        "cost": (NUMBER, "dollars, of a chat server"),
        "failure": (TEXT, "why there is no explanation, where there is none"),
    },
    "findings": _PAIR | {
        "method": (TEXT, "how the pair was tuned; empty of a checkpoint that was given"),
        "mode": (TEXT, "with the reward, or from the two models alone"),
        "contexts": (TEXT, "kind of context: features of a dictionary, or what needs none"),
        "rank": (WHOLE, "1 = the highest score of its kind; 0: there is none"),
        "score": (NUMBER, "how surely tuning changed what is written there"),
        "threshold": (NUMBER, "what the score must exceed"),
        "twin": (NUMBER, "highest score of that kind in a run tuned on a placebo, where there is one"),
        "shown": (pa.bool_(), "whether the score exceeds the threshold: other rows are no findings"),
        "runs": (WHOLE, "runs that say the same"), "of_runs": (WHOLE, "of so many"),
        "seeds": (WHOLE, "autoencoders that say the same"), "of_seeds": (WHOLE, "of so many"),
        "gain": (NUMBER, "share of the reward's gain that is made there"),
        "sentence": (TEXT, "the finding, in words"),
        "fires_on": (TEXT, "tokens that the context is of"),
        "more": (TEXT, "tokens that the tuned model writes there more often"),
        "less": (TEXT, "tokens that it writes there less often"),
        "example": (TEXT, "one place"),
        "run": (WHOLE, "run that the row is read from"), "pick": (TEXT, "its choice of layer"),
        "layer": (WHOLE, "the layer, from 0"), **_SEED,
        "context": (TEXT, "the context itself: a feature's number, a token"),
        "firings": (WHOLE, "tokens it was read on"),
        "problem": (TEXT, "why there is no list with the reward, where there is none"),
    },
}  # fmt: skip


def saes(results: Path, files: Iterable[Path], layers: Layers) -> pd.DataFrame:
    """A row an autoencoder, from its `sae.safetensors` and what lies beside it."""
    rows = []
    for file in files:
        cfg, metrics = read_json(file.parent / "cfg.json"), read_json(file.parent / "metrics.json")
        rows.append(
            cfg
            | metrics
            | {"l1": cfg["l1"], "given": "given" in cfg, "path": str(file.parent.relative_to(results))}
            | names("saes", results, file, layers)
        )
    return typed(pd.DataFrame(rows), "saes")


def features(results: Path, files: Iterable[Path], layers: Layers) -> pd.DataFrame:
    """A row a feature of the small dictionaries, from the files of matched features."""
    tables = [_read(file).rename(columns={"small": "feature"}).assign(**names("features", results, file, layers)) for file in files]
    return typed(pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), "features")


def explanations(results: Path, files: Iterable[Path], layers: Layers) -> pd.DataFrame:
    """A row an explanation."""
    return typed(pd.DataFrame([line | names("explanations", results, file, layers) for file in files for line in read_json(file)]), "explanations")


def findings(file: Path) -> pd.DataFrame:
    """The table of findings over runs."""
    try:
        frame = pd.read_csv(file)
        frame["run"] = pd.to_numeric(frame["run"].astype("string").str.removeprefix("run"))  # elsewhere a number
        return typed(frame, "findings")
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{file}: cannot be read as the table of findings ({brief(error)}); `snakemake {file}` makes it") from error


def names(kind: str, results: Path, file: Path, layers: Layers) -> dict:
    """Columns of where a file's rows are from."""
    match = PATHS[kind].fullmatch(file.relative_to(results).as_posix())
    if not match:
        raise UserError(f"{file}: its path is not that of {kind} in a results folder (results/README.md)")
    named = {key: int(value) if key in ("run", "width", "seed", "sample") and value else value for key, value in match.groupdict().items()}
    if shared := named.pop("shared"):
        named |= {"model": shared, "side": "base"}
        sharing = [pair for pair in layers if pair.split("/")[1] == shared]  # a base is shared where all its pairs have the same layers
    else:
        sharing = [f"pairs/{named['model']}/{named['reward']}/run{named['run']}"]
    return named | {"layer": next((layers[pair][named["pick"]] for pair in sharing if named["pick"] in layers.get(pair, {})), None)}


def typed(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """The columns of the data dictionary, in its order and types: whole numbers and truths may be missing (`Int64`, `boolean`)."""
    kinds = {WHOLE: "Int64", NUMBER: "float64", pa.bool_(): "boolean"}
    columns = {}
    for name, (kind, _) in TABLES[table].items():
        column = frame[name] if name in frame else pd.Series([None] * len(frame), index=frame.index, dtype=object)
        columns[name] = column.astype(kinds[kind]) if kind in kinds else column.astype(object).where(column.notna(), None)
    return pd.DataFrame(columns)


def write(frame: pd.DataFrame, table: str, file: Path) -> None:
    """Write a table as Parquet, with what its columns mean in the schema."""
    schema = pa.schema([pa.field(name, kind, metadata={"description": meaning}) for name, (kind, meaning) in TABLES[table].items()])
    pq.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False), file)


def _read(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as Parquet ({brief(error)}); delete it, and the rule that made it makes it anew") from error
