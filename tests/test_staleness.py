"""Staleness is exact: a changed key reruns what reads it. The table has every key; a sample of it, by hand-written sets."""

import pytest
import staleness
from config_keys import leaves
from mutations import type_of
from staleness import TEST_SIZE, merge
from test_workflow import AFTER_EXPLANATIONS, AFTER_SAES

from rewardscope.config.config import load

SAMPLE = {  # key -> every stale rule
    "cache": set(),
    "sae_recipes.*.learning_rate": AFTER_SAES,
    "features.null_draws": {"nulls", "quality", "controls", "table3", "section5_3", "report"},
    "explain.words": {"explanations", "crosscoder_table"} | AFTER_EXPLANATIONS,
    "completions.new": {"completions", "table3", "table4", "section5_3", "report"},
    "bootstrap": {"table4", "report"},
}
ONE_VALUE = {"models.*.pretrain.architecture"}


def test_every_key_of_the_config_has_a_line():
    keys = leaves()
    assert len(keys) > 100
    assert [key for key in keys if staleness.entry(key) is None] == []
    assert sorted(set(staleness.TABLE) - set(keys)) == []


def of_a_type() -> list[str]:
    """The first key of every type; every key: tests/system/test_every_mutation.py."""
    first = {type_of(form): key for key, form in reversed(leaves().items())}
    return sorted({*first.values(), *ONE_VALUE})


@pytest.mark.parametrize("key", of_a_type())
def test_its_new_value_is_another_one(key):
    before, after = load(TEST_SIZE), load(merge(TEST_SIZE, staleness.changed(key, staleness.entry(key)["to"])))
    assert (before == after) == (key in ONE_VALUE)


@pytest.mark.workflow
@pytest.mark.parametrize("key", SAMPLE)
def test_a_changed_key_reruns_what_reads_it(key, served, finished, rules_after, tmp_path):
    assert staleness.whole(staleness.entry(key), rules_after) == SAMPLE[key]
    staleness.check(key, served, finished, rules_after, tmp_path / "overlay.yaml")
