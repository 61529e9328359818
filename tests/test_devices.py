"""Which precision `auto` takes on which device."""
import pytest
import torch

from rewardscope.devices import precision_of

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("able", "found"), [({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16), ({"avx512_f": True}, torch.float32), ({}, torch.float32)])
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
