"""Activations of chosen layers on the test documents: one forward pass per side captures every layer.

No language-model head and no block above the deepest chosen layer is run. The first position of a document (an
attention sink with an outlying norm), special tokens and padding are left out.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rewardscope import states
from rewardscope.activations.batches import ALONE, PARTS, Batch, Plan, Share
from rewardscope.activations.moments import Moments
from rewardscope.activations.shards import Writer
from rewardscope.errors import UserError
from rewardscope.files import whole
from rewardscope.models import models, weights
from rewardscope.run.budget import need_disk
from rewardscope.run.job import progress

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NAME = pa.dictionary(pa.int32(), pa.string())
INDEX = pa.schema([("document", pa.int32()), ("part", NAME), ("corpus", NAME), ("position", pa.int32()), ("token", pa.int32())])


def capture(model, places: dict[int, nn.Module], input_ids: Int[Tensor, "batch position"]) -> dict[int, Float[Tensor, "batch position d_model"]]:
    """Activations of each layer: the output of its place (`models.places`).

    Rows may be padded on the right: attention is causal, so no real token sees the padding.
    """
    seen: dict[int, Tensor] = {}

    def keep(layer: int):
        def hook(_module, _inputs, output):
            seen[layer] = models.hidden(output).clone()  # a block may add to it in place

        return hook

    handles = [place.register_forward_hook(keep(n)) for n, place in places.items()]
    try:
        weights.run(model, input_ids, until=places[max(places)])
    finally:
        for handle in handles:
            handle.remove()
    return seen


def extract(model, plan: Plan, layers: dict[str, int], settings: dict, out: Path, share: Share = ALONE) -> None:
    """Write the shards of every pick under `out/{pick}/part0`, their moments and the index `out/tokens.parquet`.

    `layers` maps picks to layers; `settings` is the `activations:` section. Sums of the moments of the fit rows lie in
    `out/{pick}/sums`, a file a group, for `moments.total`. Memory does not grow with the activations. Raises UserError
    where the activations are not finite, or the disk has no room for them.

    A `share` of several is a run of whole shards, in `out/{pick}/part{p}`, named and filled as one job would. A batch on a
    border is computed twice. The index is always the whole one.

    Shards are written in the background, and after each the state is saved in `out`, from which a killed extraction goes on: what it
    repeats is less than two shards, or two batches where that is more.
    """
    _need_room(model, plan, layers, settings, out, share)
    write_index(plan, out / "tokens.parquet")
    last = {batch.group: number for number, batch in enumerate(plan.batches, start=1) if batch.part == "fit"}  # of each group
    places = models.places(model, sorted(set(layers.values())), settings["at"])
    with _Output(model, plan, layers, settings, out, share) as output:
        for part in PARTS:
            batches = [(number, batch) for number, batch in enumerate(plan.batches, start=1) if batch.part == part]
            for number, batch in progress(batches, f"batches of {part} documents"):
                if number <= output.done or not share.needs(batch, plan):
                    continue
                rows = _rows(model, places, plan, batch)
                if part == "fit" and batch.group in share.groups:
                    output.sum(rows, len(batch.documents))
                    if number == last[batch.group]:
                        output.end_group(batch.group)
                output.add({n: x[share.rows(batch, plan)] for n, x in rows.items()}, part, number)
            if number >= output.done:  # a state of a later part was saved after this part's last shard
                output.flush(part)


def _need_room(model, plan: Plan, layers: dict[str, int], settings: dict, out: Path, share: Share) -> None:
    """Raise UserError where the disk lacks the room for what is not yet written."""
    written = sum(file.stat().st_size for file in out.glob("*/part*/*.safetensors"))
    size = len(plan.ids) * models.d_model(model) * DTYPES[settings["dtype"]].itemsize * len(layers) // share.jobs
    what = f"activations of {len(plan.ids):,} tokens at {len(layers)} layers"
    need_disk(out, size - written, what, "lower activations.tokens or max_documents, or set activations.dtype: bfloat16")


def write_index(plan: Plan, file: Path) -> None:
    """The token index: a row per activation row, in shard order (fit first, then held).

    Columns: document (row of the corpus), part, corpus, position (in the document, from 0), token.
    """
    with whole(file) as partial, pq.ParquetWriter(partial, INDEX) as index:
        for batch in plan.batches:
            ids, kept = plan.inputs(batch)
            row, position = (t.numpy().astype(np.int32) for t in kept.nonzero(as_tuple=True))
            names = [batch.part] * len(row), [plan.corpus] * len(row)
            columns = [batch.documents[row].astype(np.int32), *names, position, ids[kept].numpy().astype(np.int32)]
            index.write_table(pa.table([pa.array(c).cast(t) for c, t in zip(columns, INDEX.types, strict=True)], schema=INDEX))


def _rows(model, places: dict[int, nn.Module], plan: Plan, batch: Batch) -> dict[int, Float[Tensor, "rows d_model"]]:
    """The activation rows of a batch at each layer. Raises UserError where one is not finite."""
    ids, kept = plan.inputs(batch)
    rows = {n: x[kept.to(x.device)] for n, x in capture(model, places, ids).items()}
    for n, x in rows.items():
        if not torch.isfinite(x).all():
            raise UserError(f"layer {n} gives activations that are not finite; the model is broken or its dtype too narrow")
    return rows


class _Output:
    """What an extraction writes: shards of every pick, sums of the moments of every layer, and states to go on from.

    Full shards, and then the state, are written in the background, a thread a pick, while the model goes on; one such task at a
    time. At its end, unless by an error, the writers are closed.
    """

    def __init__(self, model, plan: Plan, layers: dict[str, int], settings: dict, out: Path, share: Share):
        self.out, self.layers, self.dtype = out, layers, DTYPES[settings["dtype"]]
        first, part = int(plan.shards[share.groups.start]), f"part{share.p}"
        self.writers = {pick: Writer(out / pick / part, plan.shard_tokens, first=first) for pick in layers}
        self.moments = {n: Moments(models.d_model(model), weights.device(model)) for n in sorted(set(layers.values()))}
        for pick in layers:
            (out / pick / "sums").mkdir(exist_ok=True)
        self.done = self._resume()  # batches after which the last state was saved
        self.pool, self.task = ThreadPoolExecutor(1 + len(layers)), None

    def _resume(self) -> int:
        """Put writers and moments where the last state has them; returns how many batches that was after."""
        state = states.latest(self.out)
        if state is None:
            return 0
        tensors, facts = load_file(state.tensors), state.facts
        for pick, writer in self.writers.items():
            self.writers[pick] = Writer(writer.folder, writer.shard_tokens, facts["shards"][pick], tensors[f"{pick}.rows"], writer.first)
        for n, m in self.moments.items():
            m.count, m.documents = facts["counts"][str(n)]
            m.sum.copy_(tensors[f"{n}.sum"])
            m.products.copy_(tensors[f"{n}.products"])
        return facts["done"]

    def __enter__(self) -> "_Output":
        return self

    def __exit__(self, error, *_) -> None:
        with self.pool:
            with suppress(Exception) if error else nullcontext():  # what is being written is kept, and the first error told
                self._wait()
            if error is None:
                list(self.pool.map(lambda writer: writer.write(writer.take()), self.writers.values()))
                for writer in self.writers.values():  # now that all shards are there: none looks finished where another's failed
                    writer.close()

    def sum(self, rows: dict[int, Float[Tensor, "rows d_model"]], documents: int) -> None:
        """Add to the moments of each layer its rows of so many fit documents."""
        for n, x in rows.items():
            self.moments[n].add(x, documents)

    def end_group(self, group: int) -> None:
        """Write the group's moments and begin the next one's."""
        for pick, n in self.layers.items():
            with whole(self.out / pick / "sums" / f"{group:02d}.safetensors") as file:
                save_file(self.moments[n].sums(), file)
        for n, m in self.moments.items():
            self.moments[n] = Moments(len(m.sum), m.sum.device)

    def add(self, rows: dict[int, Float[Tensor, "rows d_model"]], part: str, batch: int) -> None:
        """Append rows of each layer, those of the batch of that number, and begin to write what is then full."""
        if any([self.writers[pick].add(rows[n].to("cpu", self.dtype), part) for pick, n in self.layers.items()]):
            self._begin(batch)

    def flush(self, part: str) -> None:
        """End the part with smaller shards."""
        for writer in self.writers.values():
            writer.flush(part)

    def _begin(self, batch: int) -> None:
        """Begin to write full shards and the state after so many batches: rows that fill no shard yet, and the sums of the moments."""
        self._wait()
        tensors = {f"{pick}.rows": torch.cat(writer.rows) for pick, writer in self.writers.items()}
        for n, m in self.moments.items():
            tensors |= {f"{n}.sum": m.sum.clone(), f"{n}.products": m.products.clone()}
        counts = {n: [m.count, m.documents] for n, m in self.moments.items()}
        self.task = self.pool.submit(self._write, batch, [writer.take() for writer in self.writers.values()], tensors, counts)

    def _wait(self) -> None:
        if self.task is not None:
            self.task.result()

    def _write(self, batch: int, full: list[list[tuple[str, Tensor]]], tensors: dict[str, Tensor], counts: dict[int, list[int]]) -> None:
        list(self.pool.map(Writer.write, self.writers.values(), full))
        states.save(self.out, batch, tensors, shards={pick: writer.sums for pick, writer in self.writers.items()}, counts=counts)
