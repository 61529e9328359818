"""What an MLP adds to the residual stream: its output, unless it is no MLP or adds the residual itself."""

import torch
from torch import Tensor, nn

from rewardscope.errors import UserError
from rewardscope.models import weights

SAME = 0.05  # of the largest number: more than rounding in bfloat16, less than what an earlier token changes
INSTEAD = "set `activations.at: residual` to read the residual stream"


@torch.no_grad()
def addends(model: nn.Module, mlps: dict[int, nn.Module], until: nn.Module | None = None) -> dict[int, nn.Module]:
    """For each layer the module whose output is what its MLP adds: the MLP or, where that takes the residual and adds it, the one inside it before.

    Shown by a pass of a few tokens, no further than `until`. Raises UserError where the output at a token is of the tokens before it too (a mixer
    is no MLP), is not one vector a token, or holds a residual that no module inside is without.
    """
    rows = model.get_input_embeddings().num_embeddings
    ids = torch.linspace(0, rows - 1, 5).long()[None]
    calls: dict[nn.Module, tuple[tuple, dict, Tensor]] = {}

    def keep(module, args, kwargs, output):
        output = output[0] if isinstance(output, tuple | list) else output
        if isinstance(output, Tensor):
            calls[module] = (*(_each(x, Tensor.clone) for x in (args, kwargs)), output.clone())  # a block may go on in place

    inside = [module for mlp in mlps.values() for module in mlp.modules()]
    handles = [module.register_forward_hook(keep, with_kwargs=True) for module in inside]
    try:
        weights.run(model, ids, until)
    finally:
        for handle in handles:
            handle.remove()
    return {layer: _addend(layer, mlp, calls, ids.shape) for layer, mlp in mlps.items()}


def _addend(layer: int, mlp: nn.Module, calls: dict, shape: torch.Size) -> nn.Module:
    kind = type(mlp).__name__
    if mlp not in calls or calls[mlp][2].shape[:2] != shape:
        raise UserError(f"layer {layer}: {kind} gives no vector for each token of a text; {INSTEAD}")
    args, kwargs, output = calls[mlp]
    if not _position_wise(mlp, args, kwargs, output):
        raise UserError(f"layer {layer}: {kind} is no MLP: what it gives at a token is of the tokens before it too; {INSTEAD}")
    others = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor) and x.shape == output.shape][1:]
    if not others:
        return mlp
    before = [module for module in mlp.modules() if module in calls and any(_same(calls[module][2], output - x) for x in others)]
    if not before:
        raise UserError(f"layer {layer}: {kind} takes further vectors beside its input, and what it adds to them cannot be told; {INSTEAD}")
    return before[-1]


def _position_wise(mlp: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> bool:
    """Whether the last token alone gives what it gives behind others."""

    def last(x: Tensor) -> Tensor:
        return x[:, -1:] if x.shape[:2] == output.shape[:2] else x

    if not output.isfinite().all():  # told where activations are looked at
        return True
    try:
        alone = mlp(*_each(args, last), **_each(kwargs, last))
    except Exception:  # it wants all tokens: each architecture has its own error
        return False
    alone = alone[0] if isinstance(alone, tuple | list) else alone
    return alone.shape == output[:, -1:].shape and _same(alone, output[:, -1:])


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() <= SAME * b.abs().max())


def _each(values: tuple | dict, change) -> tuple | dict:
    """The values, each tensor among them changed."""
    if isinstance(values, dict):
        return {key: change(x) if isinstance(x, Tensor) else x for key, x in values.items()}
    return tuple(change(x) if isinstance(x, Tensor) else x for x in values)
