"""Checkpoints that are broken or mean ill, through the DAG: each job ends with one line that names the file, and leaves nothing that looks finished."""

import json
import resource
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from own_sources import OWN, snakemake
from safetensors.torch import load_file, save_file

INDEX = "model.safetensors.index.json"
SECONDS = 60  # of processor, of all jobs together


def indexed(folder: Path, last: str) -> None:
    """An index that names the weights for every tensor but the last."""
    (folder / "model.safetensors").rename(folder / "model-00001.safetensors")
    names = sorted(load_file(folder / "model-00001.safetensors"))
    (folder / INDEX).write_text(json.dumps({"weight_map": dict.fromkeys(names, "model-00001.safetensors") | {names[-1]: last}}))


def pickled(folder: Path) -> None:
    """Unpickled, it would run code."""

    class Code:
        def __reduce__(self):
            return Path.touch, (folder / "ran",)

    torch.save(Code(), folder / "pytorch_model.bin")
    indexed(folder, "pytorch_model.bin")


def damaged(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    next(iter(tensors.values())).view(-1)[3] = torch.nan
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


HOSTILE = {
    "pickled": (pickled, f"{INDEX} has "),
    "outside": (lambda folder: indexed(folder, "../base/model.safetensors"), f"{INDEX} has "),
    "deep": (lambda folder: (folder / "config.json").write_text("[" * 100_000), "config.json is not JSON (it is nested too deep)"),
    "damaged": (damaged, " in model.safetensors first; the checkpoint is damaged"),
}


@pytest.mark.workflow
def test_each_ends_with_one_line_and_leaves_nothing(project):
    for name, (spoil, _) in HOSTILE.items():
        shutil.copytree(project / "base", project / name)
        spoil(project / name)
    models = {name: {"path": name, "sae": {"widths": [16, 32], "l1": 0.001}} for name in HOSTILE}
    pairs = [{"model": name, "reward": "utility", "corpus": "mine", "rlhf": "tuned"} for name in HOSTILE]
    (project / "own.yaml").write_text(yaml.safe_dump(yaml.safe_load(OWN) | {"models": models, "pairs": pairs}))
    used = lambda: resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    before = used()
    run = snakemake(project, "--keep-going", *(f"results/models/{name}/model" for name in HOSTILE))
    assert run.returncode != 0 and used() - before < SECONDS
    said = [line for line in run.stderr.splitlines() if line.startswith("rewardscope: base_model: ")]
    for name, (_, why) in HOSTILE.items():
        assert len([line for line in said if line.startswith(f"rewardscope: base_model: {name}: ") and why in line]) == 1, (name, said)
    assert len(said) == len(HOSTILE) and "Traceback" not in run.stderr
    assert not (project / "pickled/ran").exists() and not [file for file in Path("results/models").rglob("*") if file.is_file()]
