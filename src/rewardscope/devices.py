"""The device a job computes on."""
import torch

from rewardscope.errors import UserError


def device_of(setting: str) -> torch.device:
    """`auto` (CUDA when there is one), `cpu` or `cuda` as a torch device."""
    if setting == "cuda" and not torch.cuda.is_available():
        raise UserError("device is cuda, but torch sees no CUDA device; set `device: cpu` or `auto`")
    return torch.device("cuda" if setting != "cpu" and torch.cuda.is_available() else "cpu")
