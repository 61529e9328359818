"""One model over several processes, each with a part of every weight (FSDP): torch's own `fully_shard`.

Accelerate's FSDP will not do here: TRL lets the policy and the critic run by themselves, outside of the module that accelerate
shards around both. Here each of them is sharded for itself, block by block, and gathers its weights whenever it is called.
"""
import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.utils.output_capturing import _CAN_RECORD_REGISTRY

from rewardscope import models


def shard_(backbones: list[nn.Module], head: nn.Module, device: torch.device, precision: str) -> None:
    """Shard transformers' models, and a module that is called on its own, over all processes; parameters become DTensors."""
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    compute = {"param_dtype": torch.bfloat16, "reduce_dtype": torch.float32} if precision == "bfloat16" else {}
    inner, outer = MixedPrecisionPolicy(**compute), MixedPrecisionPolicy(**compute, output_dtype=torch.float32)
    for model in backbones:
        for module in models.blocks(model):
            fully_shard(module, mesh=mesh, mp_policy=inner, reshard_after_forward=True)
        fully_shard(model, mesh=mesh, mp_policy=outer, reshard_after_forward=True)
        _CAN_RECORD_REGISTRY[model] = model._can_record_outputs  # kept by the name of the class, which has changed
        model._is_fsdp_managed_module = True  # transformers: a process that has ended its texts goes on until all have
    fully_shard(head, mesh=mesh, mp_policy=outer, reshard_after_forward=True)


def full(tensor: Tensor) -> Tensor:
    """The whole of a tensor, in main memory where it is sharded: then every process must ask for it at the same time."""
    return tensor.full_tensor().cpu() if isinstance(tensor, DTensor) else tensor


def spread(tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What `states.of_adam` saved, the moments sharded as their parameters are."""
    out = dict(tensors)
    for i, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        for key in (f"adam.{i}.exp_avg", f"adam.{i}.exp_avg_sq"):
            out[key] = distribute_tensor(tensors[key], p.device_mesh, p.placements)
    return out
