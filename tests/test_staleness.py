"""Staleness is exact: a changed key reruns what reads it. A sample of the keys, and that the table has all of them."""
import pytest
import staleness
import workflow_runs
from config_keys import leaves

SAMPLE = ["results", "cache", "threads.saes", "rewards.*.kl", "activations.tokens", "features.top_k"]


def test_every_key_of_the_config_has_a_line():
    assert [key for key in leaves() if staleness.entry(key) is None] == []
    assert sorted(set(staleness.TABLE) - set(leaves())) == []
    assert len(leaves()) > 100


def test_every_change_is_a_change():
    """Where a key has more than one value, the table's is not the one it has."""
    small = workflow_runs.SMALL
    ...


@pytest.fixture(scope="module")
def graph(served, finished):
    staleness.prepare(finished)
    return staleness.after(served, finished)


@pytest.mark.workflow
@pytest.mark.parametrize("key", SAMPLE)
def test_a_changed_key_reruns_what_reads_it(key, served, finished, graph, tmp_path):
    staleness.check(key, served, finished, graph, tmp_path / "overlay.yaml")
