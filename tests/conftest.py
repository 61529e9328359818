"""Shapes in signatures are checked while tests run: the hook must be there before the modules are imported."""
from jaxtyping import install_import_hook

install_import_hook(["rewardscope.sae", "rewardscope.features"], "beartype.beartype")

import torch

torch.set_num_threads(1)
