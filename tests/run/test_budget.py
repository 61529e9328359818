"""Too little disk or memory is refused with figures, before anything is written."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
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


def test_a_control_group_and_ulimit_leave_less(tmp_path, monkeypatch):
    """6 GiB of 10 are held, 1 of it by files that can be dropped: 5 are left. A group around it leaves 3."""
    inner = tmp_path / "inner"
    inner.mkdir()
    for folder, limit, held, cached in ((inner, f"{10 * GIB}", 6 * GIB, GIB), (tmp_path, f"{20 * GIB}", 17 * GIB, 0)):
        for name, text in (("memory.max", limit), ("memory.current", held), ("memory.stat", f"anon 1\ninactive_file {cached}\n")):
            (folder / name).write_text(f"{text}\n")
    assert budget._left(inner) == 5 * GIB and budget._left(tmp_path) == 3 * GIB
    (tmp_path / "memory.max").write_text("max\n")
    assert budget._left(tmp_path) == budget._left(tmp_path / "gone") == float("inf")
    monkeypatch.setattr(budget, "_groups", lambda: [inner])
    assert budget.available_memory() <= 5 * GIB
    (inner / "memory.max").write_text(f"{6 * GIB}")
    assert budget.available_memory() <= GIB
    monkeypatch.setattr(budget.resource, "getrlimit", lambda _: (1, 1))
    assert budget.available_memory() == 0


@pytest.mark.parametrize("version", [1, 2])
def test_the_groups_around_a_process(tmp_path, version):
    root = tmp_path / "cgroup"
    top = root if version == 2 else root / "memory"
    (top / "a/b").mkdir(parents=True)
    member = tmp_path / "member"
    member.write_text("3:cpu:/\n0::/a/b\n" if version == 2 else "4:memory:/a/b\n3:cpu:/\n")
    assert budget._groups(root, member) == [top / "a/b", top / "a", top]
    member.write_text("0::/of/the/host\n" if version == 2 else "4:memory:/of/the/host\n")
    assert budget._groups(root, member) == [top]
    assert budget._groups(root, tmp_path / "no Linux") == []


def test_processes_that_the_kernel_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "_groups", lambda: [tmp_path])
    assert budget.killed_for_memory() == 0
    (tmp_path / "memory.events").write_text("oom 5\noom_kill 3\noom_group_kill 1\n")
    assert budget.killed_for_memory() == 3


class OutOfMemoryError(RuntimeError):
    """As torch's."""


@pytest.mark.parametrize(
    ("rule", "error", "said"),
    [
        ("saes", MemoryError(), "memory (2.0 GiB can be had, by the machine, control group and ulimit) is too small: lower sae_seeds, "),
        ("rlhf", OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "the GPU is too small: lower rlhf.minibatch, "),
        ("activations", RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "lower activations.batch_tokens or "),
        ("table3", OSError(12, "Cannot allocate memory"), "or run fewer jobs at a time (--cores)"),
        ("table3", RuntimeError("shapes cannot be multiplied"), None),
        ("table3", ValueError("out of memory"), None),
    ],
)
def test_want_of_memory_says_which_key_lowers_it(monkeypatch, rule, error, said):
    monkeypatch.setattr(budget, "available_memory", lambda: 2 * GIB)
    line = budget.out_of_memory(rule, error)
    assert line is None if said is None else said in line


def test_torch_and_numpy_want_of_memory_is_known():
    torch = pytest.importorskip("torch")
    for ask in (lambda: torch.empty(2**60, dtype=torch.uint8), lambda: np.empty(2**60, dtype=np.uint8)):
        with pytest.raises((RuntimeError, MemoryError)) as error:
            ask()
        assert budget.out_of_memory("saes", error.value)


def test_keys_are_named_for_rules_that_are_there():
    rules = {file.stem for file in (Path(__file__).parents[2] / "workflow/scripts").glob("*.py")}
    assert budget.LOWERS.keys() <= rules


def test_whether_cuda_is_missing_is_what_torch_says():
    torch = pytest.importorskip("torch")
    assert budget.cuda_missing() == (not torch.cuda.is_available())


def test_a_gpu_is_looked_for_where_jobs_run(monkeypatch):
    """Not on the machine that hands jobs to a cluster, where `numerics.device_of` says it in the job; and nobody asks torch for nothing."""
    looked = []
    monkeypatch.setattr(budget, "cuda_missing", lambda: not looked.append(1))
    for device, local in (("auto", True), ("cpu", True), ("cuda", False), ("auto", False)):
        budget.need_cuda(device, local)
    assert not looked
    with pytest.raises(UserError, match="^config: device is cuda, but torch sees no CUDA device here; it must be cpu or auto$"):
        budget.need_cuda("cuda", True)
    monkeypatch.setattr(budget, "cuda_missing", lambda: False)
    budget.need_cuda("cuda", True)
