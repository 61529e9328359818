"""Too little disk or memory is refused with figures, before anything is written."""

from types import SimpleNamespace

import pytest

from rewardscope.errors import UserError
from rewardscope.run import budget

GIB = 2**30


def test_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(budget.shutil, "disk_usage", lambda _: SimpleNamespace(free=10 * GIB))
    budget.need_disk(tmp_path, 9.4 * GIB, "x", "y")
    with pytest.raises(UserError) as error:
        budget.need_disk(tmp_path, 9.6 * GIB, "activations", "buy a disk")
    assert str(error.value) == f"activations would take 9.6 GiB, but the disk of {tmp_path} has 10.0 GiB free; buy a disk"


def test_width():
    budget.need_width(64 * 16, 16)
    with pytest.raises(
        UserError, match="^an autoencoder of width 1025 is more than 64 times as wide as the model .16.; lower its model's sae.widths$"
    ):
        budget.need_width(1025, 16)


def test_memory(monkeypatch):
    monkeypatch.setattr(budget, "available_memory", lambda: 2 * GIB)
    budget.need_memory(1.8 * GIB, "x", "y")
    with pytest.raises(UserError, match="^training would take 3.0 GiB of memory, but 2.0 GiB can be had; lower it$"):
        budget.need_memory(3 * GIB, "training", "lower it")


def test_memory_of_a_job(monkeypatch):
    """1 GB of what it was given is not its own; the machine may have less still."""
    monkeypatch.setattr(budget, "available_memory", lambda: 16 * GIB)
    budget.need_memory(2.8e9, "x", "y", mem_mb=4000)
    with pytest.raises(UserError, match="^training would take 5.0 GiB of memory, but 2.8 GiB can be had with mem_mb 4000; lower it$"):
        budget.need_memory(5 * GIB, "training", "lower it", mem_mb=4000)
    with pytest.raises(UserError, match="but 16.0 GiB can be had with mem_mb 64000; y$"):
        budget.need_memory(20 * GIB, "x", "y", mem_mb=64000)


def test_memory_of_a_gpu():
    budget.need_memory(5.6 * GIB, "x", "y", mem_mb=1000, on_gpu=6 * GIB)
    with pytest.raises(UserError, match="^x would take 7.0 GiB of memory, but 6.0 GiB can be had on the GPU; y$"):
        budget.need_memory(7 * GIB, "x", "y", on_gpu=6 * GIB)
    with pytest.raises(UserError, match="but 0.0 MiB can be had on the GPU"):
        budget.need_memory(1, "x", "y", mem_mb=64000, on_gpu=0)


def test_available_memory_is_a_size_of_memory():
    assert 2**20 < budget.available_memory() < 2**50


@pytest.mark.parametrize(("size", "text"), [(2**20, "1.0 MiB"), (3 * 2**29, "1.5 GiB"), (0, "0.0 MiB")])
def test_gib(size, text):
    assert budget.gib(size) == text
