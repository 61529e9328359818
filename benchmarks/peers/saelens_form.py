"""What SAELens computes from our exports, and autoencoders that it writes, for benchmarks/saelens_form.py; runs in SAELens' own environment."""

import json
import sys
from pathlib import Path

import torch
from sae_lens import SAE, JumpReLUSAE, JumpReLUSAEConfig, StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig
from safetensors.torch import load_file, save_file

folder = Path(sys.argv[1])
x = load_file(folder / "x.safetensors")["x"]
sizes = {"d_in": x.shape[1], "d_sae": 40}
torch.manual_seed(1)


def written(name: str, sae: SAE) -> None:
    """An autoencoder of SAELens' own, with every parameter at random."""
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.copy_(torch.randn_like(parameter) / 3)
    sae.save_model(folder / name)


for subtracts in (True, False):
    written(f"subtracts-{subtracts}", StandardSAE(StandardSAEConfig(**sizes, apply_b_dec_to_input=subtracts)))
written("jumprelu", JumpReLUSAE(JumpReLUSAEConfig(**sizes)))
written("topk", TopKSAE(TopKSAEConfig(**sizes, k=5)))
written("layer_norm", StandardSAE(StandardSAEConfig(**sizes, normalize_activations="layer_norm")))

computed = []
for place in sorted([*folder.glob("out-*"), *folder.glob("subtracts-*"), folder / "jumprelu"]):
    sae = SAE.load_from_disk(place)
    with torch.no_grad():
        features = sae.encode(x)
        save_file({"features": features.contiguous(), "reconstruction": sae.decode(features).contiguous()}, folder / f"{place.name}.computed")
    computed.append(place.name)
print(json.dumps(computed))
