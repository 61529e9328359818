"""Checkpoints of others in folders: what is loaded, hashed and saved."""

import json
import shutil
from pathlib import Path

import pytest
import tiny
import torch
from fetched import change, complaint, copies, same
from safetensors.torch import load_file, save_file
from transformers import GPTNeoXForCausalLM

from rewardscope.checksums import checksum
from rewardscope.models import models
from rewardscope.models.checkpoints import fetch


@pytest.fixture
def copy(tmp_path):
    return copies(tmp_path)


# ---- folders ---------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", tiny.KINDS)
def test_folder(tmp_path, kind):
    theirs, ours = tiny.checkpoint(kind), tmp_path / "ours"
    source = fetch({"path": str(theirs), "hub": None, "revision": None, "pretrain": None}, ours)
    sums = {"model.safetensors": checksum(theirs / "model.safetensors")}
    assert source == {"path": str(theirs), "architecture": type(tiny.build(kind)).__name__, "sha256": sums}
    assert same(theirs, ours)
    assert {file.suffix for file in ours.iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_weights_stay_in_their_files_and_their_dtype(tmp_path, tied, shard):
    config = tiny.build("gpt_neox").config
    config.tie_word_embeddings = tied
    model = GPTNeoXForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "half", max_shard_size=shard)
    tiny.tokenizer().save_pretrained(tmp_path / "half")
    fetch({"path": str(tmp_path / "half")}, tmp_path / "ours")
    theirs = {file.name: file for file in (tmp_path / "half").glob("model*")}
    assert len(theirs) == 1 or "model.safetensors.index.json" in theirs
    assert all((tmp_path / "ours" / name).samefile(file) for name, file in theirs.items())
    assert json.loads((tmp_path / "ours/config.json").read_text())["dtype"] == "bfloat16"
    ours = models.load(tmp_path / "ours").parameters()
    assert all(torch.equal(p, q.float()) for p, q in zip(ours, model.parameters(), strict=True))


@pytest.mark.parametrize("held", ["a tied copy", "another name", "a further tensor"])
def test_weights_that_transformers_would_write_otherwise_are_written_anew(tmp_path, copy, held):
    file = copy("gpt2") / "model.safetensors"  # tied
    tensors = load_file(file)
    if held == "a tied copy":
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()
    elif held == "a further tensor":
        tensors["transformer.h.0.attn.bias"] = torch.ones(4)
    else:
        tensors = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    save_file(tensors, file, metadata={"format": "pt"})
    fetch({"path": str(tmp_path / "theirs")}, tmp_path / "ours")
    assert load_file(tmp_path / "ours/model.safetensors").keys() == load_file(tiny.checkpoint("gpt2") / "model.safetensors").keys()
    assert same(tiny.checkpoint("gpt2"), tmp_path / "ours")


def test_shards(tmp_path, copy):
    theirs = copy("gpt_neox")
    (theirs / "model.safetensors").unlink()
    models.load(tiny.checkpoint("gpt_neox")).save_pretrained(theirs, max_shard_size="20KB")
    assert len(list(theirs.glob("model-*.safetensors"))) > 2
    source = fetch({"path": str(theirs)}, tmp_path / "ours")
    assert len(source["sha256"]) > 2 and same(tiny.checkpoint("gpt_neox"), tmp_path / "ours")
    assert source["sha256"] == {file.name: checksum(file) for file in theirs.glob("*.safetensors")}
    (gone := next(theirs.glob("model-00002*"))).unlink()
    shutil.rmtree(tmp_path / "ours")
    assert complaint({"path": str(theirs)}, tmp_path).startswith(f"{theirs}: {gone.name} cannot be read (")


# ---- what is loaded is what is hashed -----------------------------------------------------------
@pytest.fixture
def sharded(tmp_path):
    """A checkpoint whose weights are found by an index, and the index."""
    theirs = tmp_path / "theirs"
    models.load(tiny.checkpoint("gpt_neox")).save_pretrained(theirs, max_shard_size="20KB")
    tiny.tokenizer().save_pretrained(theirs)
    return theirs, theirs / "model.safetensors.index.json"


@pytest.mark.parametrize("place", ["pytorch_model.bin", "../other/model.safetensors", "shards/model.safetensors", "/tmp/model.safetensors", ""])
def test_an_index_that_leads_elsewhere(tmp_path, sharded, place):
    """A pickle that would run code, or weights outside the folder, beside safetensors that nobody reads."""
    theirs, index = sharded
    if place.endswith(".bin"):
        torch.save({}, theirs / place)
    content = json.loads(index.read_text())
    tensor = sorted(content["weight_map"])[3]
    content["weight_map"][tensor] = place
    index.write_text(json.dumps(content))
    said = complaint({"path": str(theirs)}, tmp_path)
    assert said == f"{theirs}: {index.name} has {tensor} in {place!r}; weights are read only from *.safetensors in the folder itself"


def test_a_decoy_is_not_hashed(tmp_path, sharded):
    """Weights that no loader opens: another name beside the shards, shards beside the one file."""
    theirs, index = sharded
    shards = {file.name: checksum(file) for file in theirs.glob("*.safetensors")}
    shutil.copy(tiny.checkpoint("gpt_neox") / "model.safetensors", theirs / "consolidated.safetensors")
    assert fetch({"path": str(theirs)}, tmp_path / "ours")["sha256"] == shards
    shutil.copy(tiny.checkpoint("gpt_neox") / "model.safetensors", theirs)
    index.write_text("of an earlier save")
    assert fetch({"path": str(theirs)}, tmp_path / "one")["sha256"] == {"model.safetensors": checksum(theirs / "model.safetensors")}
    assert same(tmp_path / "one", tiny.checkpoint("gpt_neox"))


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (None, "neither model.safetensors nor model.safetensors.index.json, by which weights are found; give them the name model.safetensors"),
        ("{", "model.safetensors.index.json is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); copy it again"),
        ("[]", "model.safetensors.index.json holds no map; copy it again"),
        *((text, "model.safetensors.index.json has no weight_map from tensors to files; copy it again") for text in ("{}", '{"weight_map": {"a": 1}}')),
    ],
)  # fmt: skip
def test_an_index_that_says_nothing(tmp_path, sharded, index, said):
    theirs, file = sharded
    file.unlink() if index is None else file.write_text(index)
    assert complaint({"path": str(theirs)}, tmp_path) == f"{theirs}: {said}"


def test_weights_that_the_config_or_an_adapter_brings(tmp_path, copy):
    theirs = copy()
    (theirs / "adapter_config.json").write_text("{}")
    said = f"{theirs}: an adapter lies beside the model (adapter_config.json); merge it into the model, or move it away"
    assert complaint({"path": str(theirs)}, tmp_path) == said
    (theirs / "adapter_config.json").unlink()
    change(theirs / "config.json", transformers_weights="other.safetensors")
    said = f"{theirs}: config.json names weights of its own (transformers_weights); name them model.safetensors and remove that key"
    assert complaint({"path": str(theirs)}, tmp_path) == said


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers(tmp_path, copy, value):
    file = copy("llama") / "model.safetensors"
    tensors = load_file(file)
    tensors["model.layers.1.mlp.up_proj.weight"][2, 3] = value
    save_file(tensors, file, {"format": "pt"})
    assert complaint({"path": str(file.parent)}, tmp_path) == (
        f"{file.parent}: 1 tensors hold numbers that are not finite, model.layers.1.mlp.up_proj.weight in model.safetensors first; "
        "the checkpoint is damaged: use another"
    )


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_config_nested_too_deep(tmp_path, copy, file):
    theirs = copy()
    (theirs / file).write_text('{"a": ' * 100_000 + "1" + "}" * 100_000)
    assert complaint({"path": str(theirs)}, tmp_path) == f"{theirs}: {file} is not JSON (it is nested too deep); copy it again"
    (theirs / file).write_text("7")
    assert complaint({"path": str(theirs)}, tmp_path) == f"{theirs}: {file} holds no map; copy it again"


def test_sampling_settings_of_the_makers_stay_behind(tmp_path, copy):
    """TRL fills what its own settings leave out from the model's: PPO would not sample from the model."""
    theirs = copy("llama")
    (theirs / "generation_config.json").write_text('{"repetition_penalty": 1.3, "top_k": 5, "temperature": 0.6, "do_sample": true}')
    fetch({"path": str(theirs)}, tmp_path / "ours")
    ours = models.load(tmp_path / "ours").generation_config
    assert (ours.repetition_penalty, ours.top_k, ours.temperature, ours.eos_token_id) == (None, None, None, 0)


def test_a_value_head_is_left_out(tmp_path, copy, caplog):
    theirs = copy()
    tensors = load_file(theirs / "model.safetensors")
    save_file({**tensors, "v_head.summary.weight": torch.zeros(1, 16)}, theirs / "model.safetensors", {"format": "pt"})
    fetch({"path": str(theirs)}, tmp_path / "ours")
    assert same(tiny.checkpoint("gpt2"), tmp_path / "ours")
    assert [r.getMessage() for r in caplog.records if r.name == "rewardscope"] == [
        f"{theirs}: 1 tensors are no part of the model and are left out, v_head.summary.weight first"
    ]


def test_missing_folder(tmp_path):
    assert complaint({"path": "no/where"}, tmp_path) == f"no/where: there is no such folder; paths are relative to {Path.cwd()}"
    (tmp_path / "file").touch()
    assert complaint({"path": str(tmp_path / "file")}, tmp_path).startswith(f"{tmp_path / 'file'}: there is no such folder")
