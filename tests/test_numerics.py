"""Threads, determinism, device and precision are set in one place, and by nothing that only runs a job."""

import os

import pytest
import torch

from rewardscope.errors import UserError
from rewardscope.numerics import device_of, gpu_memory, precision_of, settle

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("able", "found"),
    [({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16), ({"avx512_f": True}, torch.float32), ({}, torch.float32)],
)
def test_auto_on_a_cpu(able, found, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert precision_of("auto", CPU) == found


@pytest.mark.parametrize(("capability", "found"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)])
def test_auto_on_a_gpu(capability, found, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision_of("auto", GPU) == found


@pytest.mark.parametrize("device", [CPU, GPU])
@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_what_is_named_is_taken(name, device):
    assert precision_of(name, device) == getattr(torch, name)


def test_devices_with_and_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto") == device_of("cpu") == CPU
    with pytest.raises(UserError, match="^device is cuda, but torch sees no CUDA device; set `device: cpu` or `auto`$"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("auto") == device_of("cuda") == GPU and device_of("cpu") == CPU


def test_memory_of_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (6, 8))
    assert [gpu_memory(GPU), gpu_memory(CPU)] == [6, None]


def test_threads_are_set_and_other_settings_may_stand(monkeypatch):
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "9", "OMP_WAIT_POLICY": "ACTIVE"})
    settle(2)
    assert os.environ == {
        "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "GOMP_SPINCOUNT": "3000",
        "OMP_WAIT_POLICY": "ACTIVE", "TOKENIZERS_PARALLELISM": "false", "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }  # fmt: skip
