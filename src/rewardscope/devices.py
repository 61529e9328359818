"""The device a job computes on, and in which precision."""
import torch

from rewardscope.errors import UserError


def device_of(setting: str) -> torch.device:
    """`auto` (CUDA when there is one), `cpu` or `cuda` as a torch device."""
    if setting == "cuda" and not torch.cuda.is_available():
        raise UserError("device is cuda, but torch sees no CUDA device; set `device: cpu` or `auto`")
    return torch.device("cuda" if setting != "cpu" and torch.cuda.is_available() else "cpu")


def precision_of(setting: str, device: torch.device) -> torch.dtype:
    """`float32`, `bfloat16` or `auto` (bfloat16 where the device multiplies it in hardware) as a torch dtype."""
    if setting == "auto":
        if device.type == "cuda":
            fast = torch.cuda.get_device_capability(device) >= (8, 0)
        else:
            able = torch.cpu.get_capabilities()
            fast = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
        setting = "bfloat16" if fast else "float32"
    return getattr(torch, setting)
