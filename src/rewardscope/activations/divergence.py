"""Parameter divergence of the tuned model from its base (section 4.1), tensor by tensor from their files: neither model is loaded."""

from pathlib import Path

import pandas as pd
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rewardscope.activations.picks import OUTSIDE
from rewardscope.checksums import intact_folder
from rewardscope.errors import UserError
from rewardscope.models import models, weights


def divergence(base: str | Path, tuned: str | Path) -> pd.DataFrame:
    """`layer, tensor, distance`: Euclidean distance of each weight and bias tensor in the files of two folders, in float64.

    Layers come first, each tensor by its name in the block, then what is outside of the blocks (layer `OUTSIDE`), by its whole name. A layer's
    divergence is the sum over its tensors (`picks.layer_sums`). Memory: one tensor of either at a time. Raises UserError where the two models differ
    in tensors or shapes.
    """
    places = [weights.files(intact_folder(folder)) for folder in (base, tuned)]
    if more := sorted(places[0].keys() ^ places[1].keys()):
        raise UserError(f"tensors differ: {', '.join(more[:3])}{', ...' * (len(more) > 3)} in one of {base} and {tuned} alone")
    rows = []
    for layer, tensor, name in _order(base, list(places[0])):
        before, after = (weights.read(files[name], name) for files in places)
        if before.shape != after.shape:
            raise UserError(f"{name}: {tuple(before.shape)} in base, {tuple(after.shape)} tuned")
        rows.append((layer, tensor, torch.dist(before.double(), after.double()).item()))
    return pd.DataFrame(rows, columns=["layer", "tensor", "distance"])


def _order(folder: str | Path, names: list[str]) -> list[tuple[int, str, str]]:
    """(layer, name in its block, name in the files) of each tensor, as the model has them one after the other.

    The model is made without weights. Tensors that files hold in parts (experts) follow those of their layer that it names.
    """
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True))
    inside = models.blocks(model)
    prefix = next(name for name, module in model.named_modules() if module is inside) + "."
    positions = {name: number for number, (name, _) in enumerate(model.named_parameters())}
    out = []
    for name in sorted(names, key=lambda name: (positions.get(name, len(positions)), name)):
        layer, _, tensor = name.removeprefix(prefix).partition(".") if name.startswith(prefix) else (str(OUTSIDE), "", name)
        out.append((int(layer), tensor, name))
    if missing := set(range(len(inside))) - {layer for layer, _, _ in out}:
        raise UserError(f"{folder}: its files hold no tensor of layer {min(missing)} ({prefix}{min(missing)})")
    return sorted(out, key=lambda row: row[0] if row[0] != OUTSIDE else len(inside))  # stable
