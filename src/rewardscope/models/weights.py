"""Weight files, and passes through models whose weights stay in them because memory has no room for all."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from safetensors import safe_open
from torch import Tensor, nn

from rewardscope.run.budget import available_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROOM = 0.6  # of the memory that can be had, for a model's weights; activations and sums need theirs


def names(file: Path) -> list[str]:
    """The tensors that a weight file holds."""
    with safe_open(file, "pt") as tensors:
        return list(tensors.keys())


def files(folder: str | Path) -> dict[str, Path]:
    """The weight file of every tensor."""
    return {name: file for file in sorted(Path(folder).glob("*.safetensors")) for name in names(file)}


def header(file: Path) -> dict[str, list[int]]:
    """The shape of every tensor that a weight file holds."""
    with safe_open(file, "pt") as tensors:
        return {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}


def shapes(folder: str | Path) -> dict[str, list[int]]:
    """Shapes of all tensors, from the headers of the weight files."""
    return {name: shape for file in sorted(Path(folder).glob("*.safetensors")) for name, shape in header(file).items()}


def read(file: Path, name: str) -> Tensor:
    """One tensor of a weight file."""
    with safe_open(file, "pt") as tensors:
        return tensors.get_tensor(name)


def placed(folder: str | Path, dtype: torch.dtype, device: str | torch.device) -> dict:
    """What `from_pretrained` is told of where the weights go.

    On the CPU, weights that would fill more than `ROOM` of the memory stay in their files: each module reads its own, as `dtype`, when it
    runs (accelerate's hooks), so that one module's are in memory at a time, and of modules that do not run none are read.
    """
    if torch.device(device).type != "cpu":
        return {}
    size = sum(math.prod(shape) for shape in shapes(folder).values()) * dtype.itemsize
    return {"device_map": {"": "disk"}} if size > ROOM * available_memory() else {}


def stay(model: "PreTrainedModel") -> bool:
    """Whether the model's weights stay in their files."""
    return model.device.type == "meta"


def device(model: "PreTrainedModel") -> torch.device:
    """Where the model computes."""
    return torch.device("cpu") if stay(model) else model.device


class _Enough(Exception):
    """Ends a pass."""


@torch.no_grad()
def run(model: "PreTrainedModel", input_ids: Int[Tensor, "batch position"], until: nn.Module | None = None) -> None:
    """A pass through the model without its head, for the hooks that wait in it; it ends once `until` has run."""

    def enough(*_):
        raise _Enough

    handle = until.register_forward_hook(enough) if until is not None else None  # runs after the hooks that were there before
    try:
        model.base_model(input_ids=input_ids.to(device(model)), use_cache=False)
    except _Enough:
        pass
    finally:
        if handle is not None:
            handle.remove()
