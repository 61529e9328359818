"""Whether SAELens and we compute the same from each other's files, for `make test-peers`.

    python benchmarks/saelens_form.py

Autoencoders of every kind that we store (tied, untied, of scaled activations) go out as `targets: [export]` writes them, and those that SAELens
writes come in: features and reconstructions of the same activations must differ by at most 1e-5 of the largest. SAELens runs in an environment of its
own below .peers. What we cannot read must be refused in one line.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from sae_training import HERE, environment
from safetensors.torch import load_file, save_file

from rewardscope.errors import UserError
from rewardscope.export.saelens import CFG, OURS, load_sae, save_saelens
from rewardscope.sae.model import new

WIDTH, D, TOKENS, SCALE = 64, 24, 200, 3.7


def ours(folder: Path, kind: str) -> None:
    """One of our stored autoencoders, with biases, as rule saes writes it."""
    model = new(WIDTH, D, [1], tied=kind == "tied")
    model.b_enc += 0.1 * torch.randn(1, WIDTH)
    model.b_dec += torch.randn(1, D)
    if not model.tied:
        model.w_enc += 0.1 * torch.randn(1, WIDTH, D)
    if kind == "batchtopk":
        model.threshold = torch.full((1, WIDTH), 1.5)
    folder.mkdir()
    save_file(model.tensors(0) | ({"scale": torch.tensor(SCALE)} if kind == "scaled" else {}), folder / OURS)
    (folder / CFG).write_text(json.dumps({"d_model": D, "width": WIDTH}))


def by_hand(folder: Path, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Features and reconstruction from our stored tensors, by the formula alone; one with a `scale` reads, and gives, that many times x."""
    t = load_file(folder / OURS)
    scale = t.get("scale", 1.0)
    f = torch.relu(scale * x @ t["w_enc"].T + t["b_enc"])
    f *= f > t.get("threshold", 0.0)
    return {"features": f, "reconstruction": (f @ t.get("w_dec", t["w_enc"]) + t["b_dec"]) / scale}


def by_import(folder: Path, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same of an autoencoder that SAELens wrote, as we read it."""
    own = load_sae(folder)
    return {"features": own.encode(x), "reconstruction": own.decode(own.encode(x))}


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference, in parts of the largest value."""
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def main() -> None:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_file({"x": 2 * torch.randn(TOKENS, D)}, folder / "x.safetensors")
        kinds = ("tied", "untied", "scaled", "batchtopk")
        for kind in kinds:
            ours(folder / kind, kind)
            save_saelens(load_sae(folder / kind), folder / f"out-{kind}", model_name="tiny")
        done = subprocess.run([environment("sae-lens"), HERE / "peers/saelens_form.py", folder], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"sae-lens:\n{done.stderr[-3000:]}")
        x, worst = load_file(folder / "x.safetensors")["x"], 0.0
        for theirs in sorted(folder.glob("*.computed")):
            kind = theirs.stem.removeprefix("out-")
            values, computed = (by_hand if kind in kinds else by_import)(folder / kind, x), load_file(theirs)
            assert (values["features"] > 0).any()
            differences = {name: difference(value, computed[name]) for name, value in values.items()}
            print(f"{theirs.stem:24}" + "".join(f"  {name} {value:.1e}" for name, value in differences.items()))
            worst = max(worst, *differences.values())
        for other in ("topk", "layer_norm"):
            try:
                load_sae(folder / other)
            except UserError as error:
                print(f"{other:24}  refused: {str(error).replace(name, '...')}")
            else:
                sys.exit(f"{other}: was read as one of ours")
    if worst > 1e-5 or len(kinds) + 3 != len(json.loads(done.stdout.splitlines()[-1])):
        sys.exit(f"SAELens and we differ by {worst:.1e}")


if __name__ == "__main__":
    main()
