"""Which documents go through the model together, in which order, and which of them each job of a split extraction has.

All of it is fixed from the whole corpus before the first batch, so that no split changes a byte.
"""

from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int, Int32
from torch import Tensor

from rewardscope.errors import UserError
from rewardscope.seeds import derive

PARTS = ("fit", "held")
GROUPS = 16  # of shards: each has moments of its own, and an extraction is split between them, so that no split changes a sum


class Batch(NamedTuple):
    """Documents that go through the model together."""

    part: str
    documents: Int[np.ndarray, "n"]
    """rows of the corpus"""
    rows: range
    """its activation rows among those of all batches"""
    group: int
    """of the shards: that of its first row"""


class Plan(NamedTuple):
    """The batches of a corpus, and where the shards of their rows begin."""

    corpus: str
    ids: Int32[np.ndarray, "tokens"]
    starts: Int[np.ndarray, "documents_and_end"]
    """where each document begins in `ids`"""
    special: list[int]
    """tokens that have no activation row"""
    batches: list[Batch]
    """the fit ones, then the held ones"""
    shard_tokens: int
    shards: Int[np.ndarray, "groups_and_end"]
    """where each of the GROUPS begins, in shards"""
    rows: Int[np.ndarray, "groups_and_end"]
    """and in rows"""

    def inputs(self, batch: Batch) -> tuple[Int[Tensor, "n longest"], Bool[Tensor, "n longest"]]:
        """Token ids, padded on the right, and which of them have an activation row: all but the first and special ones."""
        texts = [self.ids[self.starts[document] : self.starts[document + 1]] for document in batch.documents]
        padded = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.long)
        kept = torch.zeros_like(padded, dtype=torch.bool)
        for row, text in enumerate(texts):
            padded[row, : len(text)] = torch.from_numpy(text)
            kept[row, 1 : len(text)] = True
        return padded, kept & ~torch.isin(padded, torch.tensor(self.special))


class Share(NamedTuple):
    """The p-th of `jobs` jobs, from 0, that share an extraction: it has a run of groups."""

    p: int
    jobs: int

    @property
    def groups(self) -> range:
        return range(self.p * GROUPS // self.jobs, (self.p + 1) * GROUPS // self.jobs)

    def rows(self, batch: Batch, plan: Plan) -> slice:
        """Which of the batch's rows are of this job's shards; a batch on a border has rows of two jobs."""
        low, high = plan.rows[self.groups.start], plan.rows[self.groups.stop]
        return slice(max(0, low - batch.rows.start), high - batch.rows.start)

    def needs(self, batch: Batch, plan: Plan) -> bool:
        """Whether rows of the batch are this job's; one without any row is the job's in whose group it stands."""
        return batch.group in self.groups or int(plan.rows[self.groups.start]) in batch.rows[1:]


ALONE = Share(0, 1)


def plan(tokenizer, corpus: pd.DataFrame, settings: dict, seed: int, name: str) -> Plan:
    """The plan of the corpus `name` (columns text and part); `settings` is the `activations:` section.

    Raises UserError where a part has no document of two tokens or more.
    """
    ids, starts = encode(tokenizer, corpus["text"].tolist(), settings["tokens"])
    lengths, rows_of = np.diff(starts), _rows(ids, starts, tokenizer.all_special_ids)
    grouped, counts = {}, {}
    for part in PARTS:
        members = np.flatnonzero((corpus["part"] == part).to_numpy() & (lengths > 1))
        rng = np.random.default_rng(derive(seed, "batches", name, part))
        grouped[part] = [members[group] for group in by_length(lengths[members], settings["batch_tokens"], rng)]
        counts[part] = sum(int(rows_of[documents].sum()) for documents in grouped[part])
        if not counts[part]:
            raise UserError(f"corpus {name}: no {part} document of two tokens or more")
    shards, rows = borders(list(counts.values()), settings["shard_tokens"])
    batches, first = [], 0
    for part in PARTS:
        for documents in grouped[part]:
            after = first + int(rows_of[documents].sum())
            batches.append(Batch(part, documents, range(first, after), int(np.searchsorted(rows, first, side="right")) - 1))
            first = after
    return Plan(name, ids, starts, sorted(tokenizer.all_special_ids), batches, settings["shard_tokens"], shards, rows)


def by_length(lengths: Int[np.ndarray, "documents"], budget: int, rng: np.random.Generator) -> list[Int[np.ndarray, "_"]]:
    """Documents grouped by length so that rows x longest <= budget (a single longer document stands alone).

    The groups are shuffled, so that a shard mixes short and long documents.
    """
    groups: list[list[int]] = []
    for document in np.argsort(lengths, kind="stable")[::-1]:
        if not groups or (len(groups[-1]) + 1) * lengths[groups[-1][0]] > budget:
            groups.append([])
        groups[-1].append(int(document))
    return [np.array(groups[i]) for i in rng.permutation(len(groups))]


def encode(tokenizer, texts: list[str], limit: int, chunk: int = 1000) -> tuple[Int32[np.ndarray, "tokens"], Int[np.ndarray, "texts_and_end"]]:
    """Token ids of all texts in a row, and where each text begins and the last one ends; `limit` a text."""
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


def borders(rows: list[int], shard_tokens: int) -> tuple[Int[np.ndarray, "groups_and_end"], Int[np.ndarray, "groups_and_end"]]:
    """Where each of the GROUPS begins, and the last one ends: in shards, and in rows of all parts (so many `rows` each) together.

    A group is a run of whole shards; with fewer shards than GROUPS some are empty.
    """
    starts = [first + np.arange(0, n, shard_tokens) for first, n in zip(np.cumsum([0, *rows[:-1]]), rows, strict=True)]
    shards = np.concatenate([*starts, [sum(rows) + 1]])  # batches without a row may stand at the very end
    groups = np.arange(GROUPS + 1) * (len(shards) - 1) // GROUPS
    return groups, shards[groups]
