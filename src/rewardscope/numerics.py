"""What a job's numbers depend on beside its code: threads, determinism, the device and the precision.

torch is imported by those who ask for it alone: `settle` must come before.
"""

import os
from typing import TYPE_CHECKING

from rewardscope.errors import UserError

if TYPE_CHECKING:
    import torch


def settle(threads: int) -> None:
    """Set threads and determinism for libraries that read them when they are imported; but for threads, what is set already counts."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # threads that spin longer while they wait starve the job beside them
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # the same for other OpenMPs than GCC's
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS


def device_of(setting: str) -> "torch.device":
    """`auto` (CUDA when there is one), `cpu` or `cuda` as a torch device."""
    import torch

    if setting == "cuda" and not torch.cuda.is_available():
        raise UserError("device is cuda, but torch sees no CUDA device; set `device: cpu` or `auto`")
    return torch.device("cuda" if setting != "cpu" and torch.cuda.is_available() else "cpu")


def precision_of(setting: str, device: "torch.device") -> "torch.dtype":
    """`float32`, `bfloat16` or `auto` (bfloat16 where the device multiplies it in hardware) as a torch dtype."""
    import torch

    if setting == "auto":
        if device.type == "cuda":
            fast = torch.cuda.get_device_capability(device) >= (8, 0)
        else:
            able = torch.cpu.get_capabilities()
            fast = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
        setting = "bfloat16" if fast else "float32"
    return getattr(torch, setting)


def gpu_memory(device: "torch.device") -> float | None:
    """Bytes free on a GPU; None where the device is none."""
    import torch

    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
