"""Activations of chosen layers on the test documents: one forward pass per side captures every layer.

No language-model head and no block above the deepest chosen layer is run. The first position of a document (an
attention sink with an outlying norm), special tokens and padding are left out.
"""
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rewardscope import models, states
from rewardscope.budget import need_disk
from rewardscope.errors import UserError
from rewardscope.files import whole
from rewardscope.job import progress
from rewardscope.moments import Moments, total
from rewardscope.seeds import derive
from rewardscope.shards import Writer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PARTS = ("fit", "held")
GROUPS = 16  # of shards: each has moments of its own, and an extraction is split between them, so that no split changes a sum
NAME = pa.dictionary(pa.int32(), pa.string())
INDEX = pa.schema(
    [("document", pa.int32()), ("part", NAME), ("corpus", NAME), ("position", pa.int32()), ("token", pa.int32())]
)


class _Enough(Exception):
    """Ends a forward pass once the deepest chosen layer has been seen."""


@torch.no_grad()
def capture(model, layers: list[int], at: str, input_ids: Tensor) -> dict[int, Tensor]:
    """Activations `[batch, position, d_model]` of each layer, at a block's `mlp` output or its `residual` output.

    Rows may be padded on the right: attention is causal, so no real token sees the padding.
    """
    blocks, width = models.blocks(model), models.d_model(model)
    seen: dict[int, Tensor] = {}

    def keep(layer: int):
        def hook(_module, _inputs, output):
            seen[layer] = output[0] if isinstance(output, tuple) else output
            if layer == max(layers):
                raise _Enough

        return hook

    places = {n: models.mlp(blocks[n], width) if at == "mlp" else blocks[n] for n in layers}
    handles = [place.register_forward_hook(keep(n)) for n, place in places.items()]
    try:
        model.base_model(input_ids=input_ids, use_cache=False)
    except _Enough:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return seen


def batches(lengths: np.ndarray, budget: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Documents grouped by length so that rows x longest <= budget (a single longer document stands alone).

    The groups are shuffled, so that a shard mixes short and long documents.
    """
    groups: list[list[int]] = []
    for document in np.argsort(lengths, kind="stable")[::-1]:
        if not groups or (len(groups[-1]) + 1) * lengths[groups[-1][0]] > budget:
            groups.append([])
        groups[-1].append(int(document))
    return [np.array(groups[i]) for i in rng.permutation(len(groups))]


def encode(tokenizer, texts: list[str], limit: int, chunk: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of all texts in a row `[tokens]`, int32, and where each text begins `[texts + 1]`; `limit` a text."""
    parts, lengths = [], []
    for start in range(0, len(texts), chunk):  # Python lists of ids take nine times the memory
        ids = tokenizer(texts[start : start + chunk], truncation=True, max_length=limit)["input_ids"]
        lengths += map(len, ids)
        parts.append(np.fromiter(chain.from_iterable(ids), dtype=np.int32))
    return np.concatenate(parts), np.concatenate([[0], np.cumsum(lengths)])


def _rows(ids: np.ndarray, starts: np.ndarray, special: list[int]) -> np.ndarray:
    """How many activation rows each document has: tokens but the first and special ones."""
    kept = ~np.isin(ids, special)
    kept[starts[:-1][np.diff(starts) > 0]] = False
    before = np.zeros(len(ids) + 1, dtype=np.int64)
    np.cumsum(kept, out=before[1:])
    return np.diff(before[starts])


def borders(rows: list[int], shard_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of the GROUPS begins, and the last one ends: in shards, and in rows of all parts (so many `rows` each) together.

    A group is a run of whole shards; with fewer shards than GROUPS some are empty.
    """
    starts = [first + np.arange(0, n, shard_tokens) for first, n in zip(np.cumsum([0, *rows[:-1]]), rows, strict=True)]
    shards = np.concatenate([*starts, [sum(rows) + 1]])  # batches without a row may stand at the very end
    groups = np.arange(GROUPS + 1) * (len(shards) - 1) // GROUPS
    return groups, shards[groups]


def extract(
    model, tokenizer, corpus: pd.DataFrame, layers: dict[str, int], settings: dict, seed: int, out: Path, name: str,
    share: tuple[int, int] = (0, 1),
) -> dict[str, dict[str, Tensor]]:  # fmt: skip
    """Write the shards of every pick under `out/{pick}/part0` and the index `out/tokens.parquet`; return the moments.

    `corpus` has the columns text and part; `layers` maps picks to layers; `settings` is the `activations:` section.
    The index has a row per activation row, in shard order (fit first, then held): document (row of the corpus),
    part, corpus, position (in the document, from 0), token. Moments are the mean `[d]` and covariance `[d, d]` of
    the fit rows, accumulated in float64. Memory does not grow with the activations. Raises UserError where a part
    is empty, the activations are not finite, or the disk has no room for them.

    With `share` (p, n) it is the p-th of n jobs, from 0: a run of whole shards, in `out/{pick}/part{p}`, named and filled as one
    job would, since batches are fixed before they are shared out. A batch on a border is computed twice. Sums of the
    moments lie in `out/{pick}/sums`, a file a group: `moments.total` of all jobs' files, in order, is what one job returns.
    The index is always the whole one.

    Shards are written in the background, and after each the state is saved in `out`, from which a killed extraction goes on: what it
    repeats is less than two shards, or two batches where that is more. The index needs no model and is written anew.
    """
    ids, starts = encode(tokenizer, corpus["text"].tolist(), settings["tokens"])
    special = torch.tensor(sorted(tokenizer.all_special_ids))
    lengths = np.diff(starts)
    width, dtype = models.d_model(model), DTYPES[settings["dtype"]]
    p, jobs = share  # the place of this job, and how many there are
    written = sum(file.stat().st_size for file in out.glob("*/part*/*.safetensors"))
    need_disk(
        out, len(ids) * width * dtype.itemsize * len(layers) // jobs - written, f"activations of {len(ids):,} tokens at {len(layers)} layers",
        "lower activations.tokens or max_documents, or set activations.dtype: bfloat16",
    )  # fmt: skip
    planned = {}
    for part in PARTS:
        members = np.flatnonzero((corpus["part"] == part).to_numpy() & (lengths > 1))
        rng = np.random.default_rng(derive(seed, "batches", name, part))
        planned[part] = [members[group] for group in batches(lengths[members], settings["batch_tokens"], rng)]
    rows_of = _rows(ids, starts, tokenizer.all_special_ids)
    counts = [sum(int(rows_of[documents].sum()) for documents in planned[part]) for part in PARTS]
    for part, count in zip(PARTS, counts, strict=True):
        if not count:
            raise UserError(f"corpus {name}: no {part} document of two tokens or more")
    shards, rows = borders(counts, settings["shard_tokens"])
    begin, end = p * GROUPS // jobs, (p + 1) * GROUPS // jobs
    low, high = rows[begin], rows[end]  # this job's

    chosen = sorted(set(layers.values()))
    writers = {pick: Writer(out / pick / f"part{p}", settings["shard_tokens"], first=shards[begin]) for pick in layers}
    for pick in layers:
        (out / pick / "sums").mkdir(exist_ok=True)
    moments = {n: Moments(width, model.device) for n in chosen}
    done, batch = _restore_(out, writers, moments), 0  # batches whose activations are kept; batches so far
    after, group = 0, None  # rows so far; the group whose moments are being summed
    with _Background(out, writers) as background, whole(out / "tokens.parquet") as file, pq.ParquetWriter(file, INDEX) as index:
        for part in PARTS:
            for documents in progress(planned[part], f"batches of {part} documents"):
                padded = torch.zeros(len(documents), lengths[documents].max(), dtype=torch.long)
                wanted = torch.zeros_like(padded, dtype=torch.bool)
                for row, document in enumerate(documents):
                    padded[row, : lengths[document]] = torch.from_numpy(ids[starts[document] : starts[document + 1]])
                    wanted[row, 1 : lengths[document]] = True
                wanted &= ~torch.isin(padded, special)
                row, position = (t.numpy().astype(np.int32) for t in wanted.nonzero(as_tuple=True))
                columns = [documents[row].astype(np.int32), [part] * len(row), [name] * len(row), position, padded[wanted].numpy().astype(np.int32)]
                index.write_table(pa.table([pa.array(c).cast(t) for c, t in zip(columns, INDEX.types, strict=True)], schema=INDEX))
                batch += 1
                first, after = after, after + len(row)
                own = low <= first < high
                if part == "fit" and own:
                    before, group = group, np.searchsorted(rows, first, side="right") - 1
                    if before not in (None, group) and batch > done:
                        _keep(out, layers, moments, before)
                if batch <= done or not (own or first < low < after):
                    continue
                seen = capture(model, chosen, settings["at"], padded.to(model.device))
                found = {n: x[wanted.to(x.device)] for n, x in seen.items()}
                for n, x in found.items():
                    if not torch.isfinite(x).all():
                        raise UserError(f"layer {n} gives activations that are not finite; the model is broken or its dtype too narrow")
                    if part == "fit" and own:
                        moments[n].add(x, len(documents))
                if any([writers[pick].add(found[n][max(0, low - first) : high - first].to("cpu", dtype), part) for pick, n in layers.items()]):
                    background.write(batch, moments)
            if batch >= done:  # a state of a later part was saved after this part's last shard
                for writer in writers.values():
                    writer.flush(part)
    if group is not None:
        _keep(out, layers, moments, group)
    return {pick: total(sorted((out / pick / "sums").iterdir())) for pick in layers} if jobs == 1 else {}


def _keep(out: Path, layers: dict[str, int], moments: dict[int, Moments], group: int) -> None:
    """Write a group's moments and begin the next one's."""
    for pick, n in layers.items():
        with whole(out / pick / "sums" / f"{group:02d}.safetensors") as file:
            save_file(moments[n].sums(), file)
    for n, m in moments.items():
        moments[n] = Moments(len(m.sum), m.sum.device)


class _Background:
    """Writes what is full, a thread a layer, and then the state, while the model goes on; one such task at a time.

    At its end, unless by an error, the writers are closed.
    """

    def __init__(self, out: Path, writers: dict[str, Writer]):
        self.out, self.writers = out, writers
        self.pool, self.task = ThreadPoolExecutor(1 + len(writers)), None

    def __enter__(self) -> "_Background":
        return self

    def __exit__(self, error, *_) -> None:
        with self.pool:
            with suppress(Exception) if error else nullcontext():  # what is being written is kept, and the first error told
                self._wait()
            if error is None:
                list(self.pool.map(Writer.close, self.writers.values()))

    def _wait(self) -> None:
        if self.task is not None:
            self.task.result()

    def write(self, batch: int, moments: dict[int, Moments]) -> None:
        """Begin to write full shards and the state after so many batches: rows that fill no shard yet, and the sums of the moments."""
        self._wait()
        tensors = {f"{pick}.rows": torch.cat(writer.rows) for pick, writer in self.writers.items()}
        for n, m in moments.items():
            tensors |= {f"{n}.sum": m.sum.clone(), f"{n}.products": m.products.clone()}
        counts = {n: [m.count, m.documents] for n, m in moments.items()}
        self.task = self.pool.submit(self._write, batch, [writer.take() for writer in self.writers.values()], tensors, counts)

    def _write(self, batch: int, full: list[list[tuple[str, Tensor]]], tensors: dict[str, Tensor], counts: dict[int, list[int]]) -> None:
        list(self.pool.map(Writer.write, self.writers.values(), full))
        states.save(self.out, batch, tensors, shards={pick: writer.sums for pick, writer in self.writers.items()}, counts=counts)


def _restore_(out: Path, writers: dict[str, Writer], moments: dict[int, Moments]) -> int:
    """Put writers and moments where the last state has them; returns how many batches that was after."""
    state = states.latest(out)
    if state is None:
        return 0
    tensors, facts = load_file(state.tensors), state.facts
    for pick, writer in writers.items():
        writers[pick] = Writer(writer.folder, writer.shard_tokens, facts["shards"][pick], tensors[f"{pick}.rows"], writer.first)
    for n, m in moments.items():
        m.count, m.documents = facts["counts"][str(n)]
        m.sum.copy_(tensors[f"{n}.sum"])
        m.products.copy_(tensors[f"{n}.products"])
    return facts["done"]
