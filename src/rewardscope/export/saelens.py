"""One autoencoder as a user has it, and the forms that it is stored in: ours, and SAELens' `standard` and `jumprelu` architectures (SAELens 6).

SAELens multiplies from the other side, f(x) = ReLU(x W_enc + b_enc), knows no tied weights, and may take `b_dec` from its input:
there f(x) = ReLU((x - b_dec) W_enc + b_enc), which is ours with another `b_enc`. A `jumprelu` has a `threshold` besides, as ours by BatchTopK do.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rewardscope.checksums import intact_folder
from rewardscope.errors import UserError, brief
from rewardscope.files import once
from rewardscope.sae.model import SAE, from_tensors

OURS, SAELENS, CFG = "sae.safetensors", "sae_weights.safetensors", "cfg.json"
FORM = "6.0.0"  # `sae_lens_version`: SAELens reads a cfg.json without one as of an older form
HOOKS = {"mlp": "blocks.{}.hook_mlp_out", "residual": "blocks.{}.hook_resid_post"}  # TransformerLens' names of `activations.at`
RAW = {  # of SAELens' settings those that leave the arithmetic ours
    "architecture": ("standard", "jumprelu"),
    "activation_fn": ("relu",),
    "normalize_activations": ("none", None, False),
    "reshape_activations": ("none",),
}


@dataclass(frozen=True)
class Dictionary:
    """One autoencoder of F features, on activations of width d as the model gives them (float32)."""

    sae: SAE
    """A stack of one."""
    cfg: dict = field(default_factory=dict)
    """Its `cfg.json`, as stored."""
    fires: Int[Tensor, "F"] | None = None
    """Held tokens that each feature fires on; None where the form has no such number."""

    @property
    def rows(self) -> Float[Tensor, "F d"]:
        """The decoder's rows: the direction that each feature writes."""
        return self.sae.w_dec[0]

    @torch.no_grad()
    def encode(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Feature activations."""
        return self.sae.encode(x.to(self.rows).reshape(1, -1, x.shape[-1]))[0].view(*x.shape[:-1], len(self.rows))

    @torch.no_grad()
    def decode(self, f: Float[Tensor, "*tokens F"]) -> Float[Tensor, "*tokens d"]:
        """Reconstructions of the activations."""
        return self.sae.decode(f.to(self.rows).reshape(1, -1, f.shape[-1]))[0].view(*f.shape[:-1], self.rows.shape[1])


def load_sae(path: str | Path) -> Dictionary:
    """The autoencoder in a folder: ours, or SAELens' (`standard`, `jumprelu`; read as float32); or in a file of ours, such as `shared.safetensors`.

    Raises UserError where there is none, where it is damaged, or where its arithmetic is not ours.
    """
    path = Path(path)
    folder, file = (path.parent, path) if path.suffix == ".safetensors" else (path, path / OURS)
    intact_folder(folder)
    if file.exists():
        return _ours(file, folder / CFG)
    if (folder / SAELENS).exists():
        return Dictionary(from_saelens(_json(folder / CFG), _tensors(folder / SAELENS), folder))
    raise UserError(f"{path}: no autoencoder; a folder of one holds {OURS} or SAELens' {SAELENS} (a .pt file is not read: it may run code)")


def save_saelens(dictionary: Dictionary, folder: str | Path, **metadata: object) -> None:
    """Write `cfg.json` and `sae_weights.safetensors` as SAELens' `SAE.load_from_disk` reads them; `metadata` goes into the former."""
    cfg, tensors = to_saelens(dictionary, **metadata)
    Path(folder).mkdir(parents=True)
    save_file(tensors, Path(folder) / SAELENS)
    (Path(folder) / CFG).write_text(json.dumps(cfg, indent=1, sort_keys=True) + "\n")


def to_saelens(dictionary: Dictionary, **metadata: object) -> tuple[dict, dict[str, Tensor]]:
    """(cfg, tensors) of the same autoencoder in SAELens' form: equal features and reconstructions on the same activations."""
    sae = dictionary.sae
    tensors = {"W_enc": sae.w_enc[0].T, "b_enc": sae.b_enc[0], "W_dec": sae.w_dec[0].clone(), "b_dec": sae.b_dec[0]}  # no tensor is stored as two
    if sae.threshold is not None:
        tensors["threshold"] = sae.threshold[0]
    cfg = {
        "architecture": "standard" if sae.threshold is None else "jumprelu",
        "d_in": sae.w_enc.shape[2],
        "d_sae": sae.w_enc.shape[1],
        "dtype": str(sae.w_enc.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": FORM, "tied": sae.tied, **metadata},
    }
    return cfg, {name: tensor.contiguous() for name, tensor in tensors.items()}


def from_saelens(cfg: dict, tensors: dict[str, Tensor], place: str | Path) -> SAE:
    """A stack of one from SAELens' cfg and tensors; raises UserError, naming `place`, where the arithmetic is another."""
    cfg = {"activation_fn": cfg.get("activation_fn_str", "relu"), **cfg}  # before SAELens 6
    for key, right in RAW.items():
        if (value := cfg.get(key, right[0])) not in right:
            raise UserError(f"{place}: {key} is {value}; only ReLU(x W + b) on activations as they are can be read, {key}: {right[0]}")
    factor = tensors.pop("scaling_factor", None)  # of finetuned features, before SAELens 6
    if factor is not None and not torch.allclose(factor, torch.ones_like(factor)):
        raise UserError(f"{place}: its features have a scaling_factor, which cannot be read; fold it into the weights")
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    d, width = shapes.get("W_enc", [0, 0])[-2:] if len(shapes.get("W_enc", ())) == 2 else (0, 0)
    right = {"W_enc": [d, width], "b_enc": [width], "W_dec": [width, d], "b_dec": [d]}
    right |= {"threshold": [width]} if cfg.get("architecture") == "jumprelu" else {}
    if shapes != right or not width:
        raise UserError(f"{place}: its tensors are {shapes}; they must be {', '.join(right)}, of d, features and both")
    w_enc, b_enc, w_dec, b_dec, *threshold = (tensors[name].float() for name in right)
    if cfg.get("apply_b_dec_to_input", True):  # SAELens' own default
        b_enc = b_enc - b_dec @ w_enc
    rows = w_enc.T.contiguous()[None]
    decoder = rows if torch.equal(rows[0], w_dec) else w_dec[None]
    return SAE(rows, b_enc[None], decoder, b_dec[None], threshold[0][None] if threshold else None)


def from_elsewhere(folder: str | Path, width: int, d: int) -> SAE:
    """SAELens' autoencoder in a folder, of `width` features on activations of width `d`, with decoder rows of unit norm, as ours have.

    Raises UserError where its arithmetic or its sizes are others, or where a weight is no finite number.
    """
    folder = Path(folder)
    sae = from_saelens(_json(folder / CFG), _tensors(folder / SAELENS), folder)
    if (size := tuple(sae.w_enc.shape[1:])) != (width, d):
        raise UserError(f"{folder}: has {size[0]} features of activations of width {size[1]}; here they must be {width} and {d}")
    if not all(tensor.isfinite().all() for tensor in (*sae.parameters(), *([] if sae.threshold is None else [sae.threshold]))):
        raise UserError(f"{folder}: holds weights that are no finite numbers; copy or make it again")
    return unit(sae)


def unit(sae: SAE) -> SAE:
    """The same autoencoder with decoder rows of unit norm, up to 1e-3: features times the norms, the same reconstructions. A zero row stays one.

    SAELens' `fold_W_dec_norm`: f |d_i| (d_i / |d_i|) = f d_i, and ReLU and thresholds scale with it.
    """
    norms = sae.w_dec.norm(dim=-1)
    if torch.allclose(norms, torch.ones_like(norms), atol=1e-3):
        return sae
    norms = torch.where(norms > 0, norms, 1.0)
    threshold = None if sae.threshold is None else sae.threshold * norms
    return SAE(sae.w_enc * norms[..., None], sae.b_enc * norms, sae.w_dec / norms[..., None], sae.b_dec, threshold)


def unscaled(sae: SAE, scale: float) -> SAE:
    """An autoencoder of `scale` times the activations as one of the activations themselves: the same features, x_hat in their own units."""
    if scale == 1:
        return sae
    return SAE(sae.w_enc * scale, sae.b_enc, sae.w_dec / scale, sae.b_dec / scale, sae.threshold)


def _ours(file: Path, cfg: Path) -> Dictionary:
    tensors = _tensors(file)
    if missing := {"w_enc", "b_enc", "b_dec"} - tensors.keys():
        raise UserError(f"{file}: no autoencoder of ours: it has no {', '.join(sorted(missing))}")
    sae = unscaled(from_tensors(tensors), float(tensors.get("scale", 1.0)))
    return Dictionary(sae, _json(cfg) if cfg.exists() else {}, tensors.get("fires"))


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file}: cannot be read as safetensors ({brief(error)}); it may be cut short: copy or make it again") from error


def _json(file: Path) -> dict:
    try:
        cfg = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=once)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read as JSON ({brief(error)}); copy or make it again") from error
    if not isinstance(cfg, dict):
        raise UserError(f"{file}: holds no map of settings; copy or make it again")
    return cfg
