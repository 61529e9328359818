"""States of unfinished work: what a killed job goes on from. Safetensors and JSON only; nothing is pickled."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from rewardscope import checksums
from rewardscope.errors import UserError
from rewardscope.files import read_json, whole
from rewardscope.run.job import log

KEPT = 2  # states: should the newest be damaged, the one before it serves


class State(NamedTuple):
    """Where the work stood."""

    facts: dict
    """what JSON holds; `done` says how many steps (epochs, updates, batches) there were"""
    tensors: Path
    """the safetensors file of the rest"""


def save(work: Path, done: int, tensors: dict[str, Tensor], **facts: object) -> State:
    """Write the state after `done` steps by one rename; `facts` are plain values, floats come back bit for bit."""
    final, facts = work / f"state{done:08d}", {"done": done, **facts}
    with whole(final) as folder:
        folder.mkdir()
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / "tensors.safetensors")
        (folder / "facts.json").write_text(json.dumps(facts))
        checksums.write(folder)
    for old in _all(work)[:-KEPT]:
        shutil.rmtree(old)
    return State(facts, final / "tensors.safetensors")


def latest(work: Path) -> State | None:
    """The newest state whose bytes are those that were written; a damaged one is named in the log and passed over."""
    for folder in reversed(_all(work)):
        try:
            facts, tensors = (checksums.intact(folder / name) for name in ("facts.json", "tensors.safetensors"))
            state = State(read_json(facts), tensors)
            log.info("resumed after step %d (%s)", state.facts["done"], folder)
        except UserError as error:
            log.warning("unfinished work is not resumed from %s", error)
            continue
        return state
    return None


def _all(work: Path) -> list[Path]:
    return sorted(work.glob("state*"))


def of(optimizer: torch.optim.Optimizer, name: str = "adam") -> dict[str, Tensor]:
    """What an optimizer remembers of every parameter (Adam: step and moments), by the parameter's place in it."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return {f"{name}.{i}.{key}": value for i, p in enumerate(parameters) for key, value in optimizer.state[p].items()}


def restore_(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], name: str = "adam") -> None:
    """Give the optimizer what `of` found."""
    remembered: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(f"{name}."):
            _, i, what = key.split(".")
            remembered.setdefault(int(i), {})[what] = tensor
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for i, of_parameter in remembered.items():
        optimizer.state[parameters[i]] = {what: tensor.to(parameters[i].device, copy=True) for what, tensor in of_parameter.items()}
