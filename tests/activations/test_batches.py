"""Batches: every document once, within the budget, and shared out by whole shards."""

import numpy as np
import pandas as pd
import pytest
import tiny

from rewardscope.activations.batches import borders, by_length, plan


@pytest.mark.parametrize("budget", [1, 10, 37, 64, 10_000])
def test_by_length(budget):
    lengths = np.random.default_rng(0).integers(1, 40, size=50)
    groups = by_length(lengths, budget, np.random.default_rng(1))
    assert sorted(np.concatenate(groups).tolist()) == list(range(50))  # every document once
    for group in groups:
        assert len(group) * lengths[group].max() <= budget or len(group) == 1
    if budget == 10_000:
        assert len(groups) == 1
    if budget == 64:
        # as full as they can be: sorted by length, the next shorter document would not have fitted
        ordered = sorted(groups, key=lambda group: -lengths[group].max())
        assert all((len(group) + 1) * lengths[group].max() > budget for group in ordered[:-1])


def test_batches_are_shuffled():
    lengths = np.arange(1, 31)
    one, two, again = (by_length(lengths, 60, np.random.default_rng(seed)) for seed in (1, 2, 1))
    assert [g.tolist() for g in one] == [g.tolist() for g in again] != [g.tolist() for g in two]
    firsts = [lengths[group].max() for group in one]
    assert firsts not in (sorted(firsts), sorted(firsts, reverse=True))


def test_borders():
    """7 shards of 10 rows and 3 of the held part, in 16 groups: some are empty, the last ends behind the last row."""
    in_shards, in_rows = borders([65, 21], 10)
    assert in_shards.tolist() == [g * 10 // 16 for g in range(17)]
    starts = [0, 10, 20, 30, 40, 50, 60, 65, 75, 85, 87]
    assert in_rows.tolist() == [starts[s] for s in in_shards]


def test_documents_of_two_tokens_have_a_row():
    documents = pd.DataFrame({"text": ["a", "a.", "a.b", "b", "b.", "a.b"], "part": ["fit"] * 3 + ["held"] * 3})
    planned = plan(tiny.tokenizer(), documents, {"tokens": 8, "batch_tokens": 1, "shard_tokens": 2}, 5, "films")
    shapes = sorted((batch.part, *batch.documents, len(batch.rows)) for batch in planned.batches)
    assert shapes == [("fit", 1, 1), ("fit", 2, 2), ("held", 4, 1), ("held", 5, 2)]
    for batch in planned.batches:
        ids, kept = planned.inputs(batch)
        assert ids[0].tolist() == tiny.tokenizer()(documents["text"][batch.documents[0]])["input_ids"]
        assert kept[0].tolist() == [False] + [True] * len(batch.rows)
