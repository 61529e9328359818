"""Checkpoints of others: what is fetched and from where, and every complaint as the line that a user reads."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import fake_hub
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from transformers import (
    AutoConfig,
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    GPT2ForSequenceClassification,
    GPT2Model,
    GPTNeoXForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from rewardscope.checksums import checksum
from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.models.agreement import agree, equal
from rewardscope.models.checkpoints import Base, fetch
from rewardscope.models.pretrain import train_tokenizer


@pytest.fixture
def copy(tmp_path):
    """A checkpoint that a test may change."""

    def of(kind: str = "gpt2", name: str = "theirs") -> Path:
        return Path(shutil.copytree(tiny.checkpoint(kind), tmp_path / name))

    return of


def complaint(entry: dict, folder: Path, record: Path | None = None, base: Base | None = None) -> str:
    """What `fetch` says; it must leave nothing behind."""
    with pytest.raises(UserError) as caught:
        fetch(entry, folder / "ours", record, base)
    assert "\n" not in str(caught.value) and not (folder / "ours").exists()
    return str(caught.value)


def same(one: Path, other: Path) -> bool:
    """Two folders hold one model and one tokenizer."""
    a, b = models.load(one), models.load(other)
    x, y = models.load_tokenizer(one), models.load_tokenizer(other)
    tensors = all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    return tensors and [*x(list(tiny.texts()))["input_ids"]] == [*y(list(tiny.texts()))["input_ids"]] and x.get_vocab() == y.get_vocab()


def change(file: Path, **keys) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


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


def test_incomplete_folder(tmp_path, copy):
    theirs, entry = copy(), {"path": str(tmp_path / "theirs")}
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        (theirs / file).rename(tmp_path / file)
    assert complaint(entry, tmp_path) == f"{theirs}: no config.json; name the folder of a Hugging Face model"
    (theirs / "adapter_config.json").write_text("{}")
    said = f"{theirs}: no config.json; it is an adapter: name its model here, and the adapter as rlhf: of a pair"
    assert complaint(entry, tmp_path) == said
    (theirs / "adapter_config.json").unlink()
    (tmp_path / "config.json").rename(theirs / "config.json")
    assert complaint(entry, tmp_path) == (
        f"{theirs}: no tokenizer (one of tokenizer.json, tokenizer.model, spiece.model, vocab.json, vocab.txt); save the model's tokenizer beside it"
    )
    (tmp_path / "tokenizer.json").rename(theirs / "tokenizer.json")
    torch.save({}, theirs / "pytorch_model.bin")
    assert complaint(entry, tmp_path) == (
        f"{theirs}: no *.safetensors; pickled weights (.bin, .pt) can run code and are not loaded: convert them where you trust "
        "them: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new) and "
        "AutoTokenizer.from_pretrained(folder).save_pretrained(new), then name the folder new"
    )
    (tmp_path / "model.safetensors").rename(theirs / "model.safetensors")
    fetch(entry, tmp_path / "ours")  # the .bin beside it is no matter


@pytest.mark.parametrize("keep", [0, 5, 500, -1])
def test_cut_weights(tmp_path, copy, keep):
    file = copy() / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    said = complaint({"path": str(file.parent)}, tmp_path)
    assert said.startswith(f"{file.parent}: model.safetensors cannot be read (") and said.endswith("); it may be cut short: copy it again")


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_remote_code(tmp_path, copy, file):
    theirs = copy()
    (theirs / "modeling.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    change(theirs / file, auto_map={"AutoConfig": "modeling.Config", "AutoModelForCausalLM": "modeling.Model"})
    said = f"{theirs}: {file} asks for code of its own (auto_map), which is never run; use a checkpoint without it"
    assert complaint({"path": str(theirs)}, tmp_path) == said
    assert not (tmp_path / "run").exists()


def test_quantised_weights_and_what_to_paste(tmp_path, copy, monkeypatch):
    """The recipe is run on weights that are whole: to undo them needs bitsandbytes."""
    theirs = copy()
    whole = (theirs / "config.json").read_text()
    change(theirs / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    said = complaint({"path": str(theirs)}, tmp_path)
    assert said.startswith(f"{theirs}: its weights are quantised; name the checkpoint that they were made from or, ") and "\n" not in said
    (theirs / "config.json").write_text(whole)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PreTrainedModel, "dequantize", lambda self: self)
    python, option, recipe = shlex.split(said.split(" the folder new of: ")[1])
    assert (python, option) == ("python", "-c")
    exec(recipe, {})
    assert fetch({"path": "new"}, tmp_path / "ours")["architecture"] == "GPT2LMHeadModel"


def test_config_that_cannot_be_used(tmp_path, copy):
    theirs, entry = copy(), {"path": str(tmp_path / "theirs")}
    change(theirs / "config.json", model_type="novel")
    assert complaint(entry, tmp_path).startswith(
        f"{theirs}: config.json cannot be used (The checkpoint you are trying to load has model type `novel`"
    )
    change(theirs / "config.json", model_type="gpt2", n_embd="wide")
    assert complaint(entry, tmp_path).startswith(f"{theirs}: config.json cannot be used (Validation error for field 'n_embd'")
    (theirs / "config.json").write_text('{"model_type": ')
    assert complaint(entry, tmp_path).startswith(f"{theirs}: config.json is not JSON (Expecting value")


def save(model, folder: Path) -> dict:
    model.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return {"path": str(folder)}


BERT = BertConfig(vocab_size=300, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64)


def test_models_of_another_kind(tmp_path):
    theirs, gpt2 = tmp_path / "theirs", AutoConfig.from_pretrained(tiny.checkpoint("gpt2"))
    kinds = [
        (BertForMaskedLM(BERT), "BertLMHeadModel"),
        (GPT2ForSequenceClassification(gpt2), "GPT2LMHeadModel"),
        (GPT2Model(gpt2), "GPT2LMHeadModel"),
    ]
    for model, wanted in kinds:
        said = f"{theirs}: it is a {type(model).__name__}, not a causal language model ({wanted}); use a decoder-only one"
        assert complaint(save(model, theirs), tmp_path) == said
    t5 = T5ForConditionalGeneration(T5Config(vocab_size=300, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2))
    said = f"{theirs}: it is an encoder-decoder, not a causal language model; use a decoder-only one"
    assert complaint(save(t5, theirs), tmp_path) == said


def test_attention_must_be_causal(tmp_path):
    """BERT with a language model's head passes for one by name; as a decoder it is one."""
    torch.manual_seed(1)
    said = complaint(save(BertLMHeadModel(BERT), tmp_path / "theirs"), tmp_path)
    assert said == f"{tmp_path / 'theirs'}: a later token changes what BertLMHeadModel says before it, so it is no causal language model"
    fetch(save(BertLMHeadModel(BertConfig(**{**BERT.to_dict(), "is_decoder": True})), tmp_path / "decoder"), tmp_path / "ours")


def test_tensors_that_are_not_there(tmp_path, copy):
    """transformers would make them up."""
    file = copy("gpt_neox") / "model.safetensors"
    tensors = load_file(file)
    del tensors["embed_out.weight"]
    save_file(tensors, file, {"format": "pt"})
    said = complaint({"path": str(file.parent)}, tmp_path)
    assert said.startswith(f"{file.parent}: 1 tensors of GPTNeoXForCausalLM are not in its weights, ") and said.endswith(
        " first; use a whole checkpoint"
    )
    change(file.parent / "config.json", hidden_size=32)
    assert complaint({"path": str(file.parent)}, tmp_path).startswith(f"{file.parent}: the weights cannot be loaded (")


def test_tokenizer_and_embedding(tmp_path, copy):
    theirs = copy()
    train_tokenizer(list(tiny.texts()), 301).save_pretrained(theirs)
    said = f"{theirs}: the tokenizer has 301 tokens, the embedding 300 rows; they are not of one model"
    assert complaint({"path": str(theirs)}, tmp_path) == said
    for content in ('{"version": ', '{"version": "1.0"}'):
        (theirs / "tokenizer.json").write_text(content)
        assert complaint({"path": str(theirs)}, tmp_path).startswith(f"{theirs}: its tokenizer cannot be loaded (")


def test_a_tokenizer_without_special_tokens(tmp_path, copy, caplog):
    """What later jobs do without them is said at the start; where one is needed, it is asked for."""
    theirs, entry = copy(), {"path": str(tmp_path / "theirs")}
    plain = train_tokenizer(list(tiny.texts()), 300)
    plain.pad_token = plain.eos_token = None
    plain.save_pretrained(theirs)
    fetch(entry, tmp_path / "ours")
    without = "its tokenizer has no EOS token: no completion ends early, and {} stands between documents in the perplexity"
    said = [r.getMessage() for r in caplog.records if r.name == "rewardscope"]
    assert said == [f"{theirs}: {without.format('its BOS <|endoftext|>')}"]
    plain.bos_token = None
    plain.save_pretrained(theirs)
    fetch(entry, tmp_path / "again")
    assert caplog.records[-1].getMessage() == f"{theirs}: {without.format('nothing')}"
    assert models.load_tokenizer(tmp_path / "again").all_special_ids == []


def test_a_tokenizer_without_an_unknown_token(tmp_path, copy):
    theirs = copy()
    words = Tokenizer(WordPiece({"film": 0, "##s": 1}, unk_token="[UNK]"))
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(theirs)
    said = complaint({"path": str(theirs)}, tmp_path)
    assert said.startswith(f"{theirs}: its tokenizer fails on a character that it does not know (") and said.endswith("); give it an unk_token")


# ---- the hub ---------------------------------------------------------------------------------
HUB = {"hub": "org/tiny", "revision": None, "path": None}
FAR = "and the hub cannot be reached; name a local copy instead, with path: (of a model) or rlhf: (of a pair)"


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_hub_cache_without_a_network(tmp_path, monkeypatch, kind):
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.FIRST, fake_hub.contents(tiny.checkpoint(kind)))
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    source = fetch(HUB, tmp_path / "ours")
    assert {key: source[key] for key in ("hub", "revision", "commit")} == {"hub": "org/tiny", "revision": None, "commit": fake_hub.FIRST}
    assert same(tiny.checkpoint(kind), tmp_path / "ours")


def test_not_in_the_cache(tmp_path, monkeypatch):
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    assert complaint(HUB, tmp_path) == f"model org/tiny is not in the local hub cache, {FAR}"
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.FIRST, {"README.md": b"# Tiny"})
    assert complaint(HUB, tmp_path) == "org/tiny: no config.json; name the folder of a Hugging Face model"
    assert complaint({**HUB, "revision": "step9"}, tmp_path) == f"model org/tiny at step9 is not in the local hub cache, {FAR}"


def test_a_silent_change_is_refused(tmp_path, monkeypatch):
    record = tmp_path / "source.json"
    for commit, kind, ref in ((fake_hub.FIRST, "gpt2", "v1"), (fake_hub.FIRST, "gpt2", "main")):
        fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", commit, fake_hub.contents(tiny.checkpoint(kind)), ref)
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    record.write_text(json.dumps(fetch(HUB, tmp_path / "first", record)))
    assert fetch(HUB, tmp_path / "again", record) == json.loads(record.read_text())
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.SECOND, fake_hub.contents(tiny.checkpoint("llama")))
    assert complaint(HUB, tmp_path, record) == (
        f"org/tiny at main was commit {fake_hub.FIRST} and is now {fake_hub.SECOND}; "
        f"to keep the old one pin it (revision:, or in a pair rlhf: org/tiny@{fake_hub.FIRST}), to accept the new one delete {record}"
    )
    pinned = fetch({**HUB, "revision": fake_hub.FIRST}, tmp_path / "pinned", record)
    assert pinned["commit"] == pinned["revision"] == fake_hub.FIRST and same(tmp_path / "pinned", tmp_path / "first")
    fetch({"path": str(tiny.checkpoint("gpt2"))}, tmp_path / "local", record)  # another source is a change that someone made
    record.unlink()
    assert fetch(HUB, tmp_path / "accepted", record)["architecture"] == "LlamaForCausalLM"


def test_an_earlier_record_of_another_kind(tmp_path, monkeypatch):
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.FIRST, fake_hub.contents(tiny.checkpoint("gpt2")))
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    (tmp_path / "source.json").write_text('{"pretrained": {"steps": 3}, "seed": 1}')
    fetch(HUB, tmp_path / "ours", tmp_path / "source.json")


def test_download(tmp_path, monkeypatch):
    """From a server: weights come only once all else is well; pickles, scripts and other folders never do."""
    good = {
        **fake_hub.contents(tiny.checkpoint("gpt2")),
        "README.md": b"#",
        "pytorch_model.bin": b"\x80",
        "modeling.py": b"1/0",
        "onnx/config.json": b"{}",
    }
    asks = {**good, "config.json": json.dumps({**json.loads(good["config.json"]), "auto_map": {}}).encode()}
    refs = {"main": fake_hub.FIRST, "odd": fake_hub.SECOND}
    with fake_hub.serve("org/tiny", refs, {fake_hub.FIRST: good, fake_hub.SECOND: asks}) as (address, sent):
        fake_hub.connect(monkeypatch, tmp_path / "hub", address)
        assert "auto_map" in complaint({**HUB, "revision": "odd"}, tmp_path)
        assert "config.json" in sent and "model.safetensors" not in sent
        record = tmp_path / "source.json"
        record.write_text(json.dumps({"hub": "org/tiny", "revision": None, "commit": fake_hub.SECOND}))
        assert f"delete {record}" in complaint(HUB, tmp_path, record) and "model.safetensors" not in sent
        fetch(HUB, tmp_path / "fetched")
        assert set(sent) == set(fake_hub.contents(tiny.checkpoint("gpt2")))
        assert complaint({**HUB, "revision": "v9"}, tmp_path) == "the hub has no model org/tiny at v9; set revision to a branch, tag or commit of it"
        said = "the hub shows no model org/none: check the name; for a private or gated one run `hf auth login`; or name a local copy instead, "
        assert complaint({**HUB, "hub": "org/none"}, tmp_path) == said + "with path: (of a model) or rlhf: (of a pair)"
    assert same(tiny.checkpoint("gpt2"), tmp_path / "fetched")


def test_a_download_that_breaks(tmp_path, monkeypatch):
    class Endless(dict):
        def __missing__(self, file):
            raise ConnectionAbortedError  # the server hangs up

    files = Endless({"config.json": b"{}"})
    with fake_hub.serve("org/tiny", {"main": fake_hub.FIRST}, {fake_hub.FIRST: files}) as (address, _):
        fake_hub.connect(monkeypatch, tmp_path / "hub", address)
        monkeypatch.setattr(fake_hub.Hub, "_answer", lambda self, *_: self.wfile.write(b"nonsense\r\n"))
        assert complaint(HUB, tmp_path).startswith("model org/tiny cannot be downloaded (RemoteProtocolError: ")


def test_environment_variables(tmp_path):
    """As a user sets them, in a fresh process, which says nothing of its own."""
    fake_hub.lay_out(tmp_path / "hub", "model", "org/tiny", fake_hub.FIRST, fake_hub.contents(tiny.checkpoint("gpt2")))
    command = f"from rewardscope.models.checkpoints import Base, fetch; print(fetch({HUB!r}, 'ours')['commit'])"
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, fake_hub.FIRST + "\n", "")
    assert same(tiny.checkpoint("gpt2"), tmp_path / "ours")


# ---- a base model and its tuned checkpoint ----------------------------------------------------
def disagreement(base: Path, tuned: Path) -> str:
    with pytest.raises(UserError) as caught:
        agree(base, tuned)
    start, end = "the tuned checkpoint is not of its base model: ", "; name a pair that belongs together"
    said = str(caught.value)
    assert said.startswith(start) and said.endswith(end) and "\n" not in said
    return said.removeprefix(start).removesuffix(end)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_tuned_copy_agrees(tmp_path, kind):
    tiny.build(kind, seed=4).save_pretrained(tmp_path / "tuned", max_shard_size="20KB")
    tiny.tokenizer().save_pretrained(tmp_path / "tuned")
    agree(tiny.checkpoint(kind), tmp_path / "tuned")


def test_a_tuned_checkpoint_that_is_its_base_is_refused(tmp_path):
    """However its files are cut; one number makes it another model."""
    model = models.load(tiny.checkpoint("gpt2"))
    model.save_pretrained(tmp_path / "tuned", max_shard_size="20KB")
    tiny.tokenizer().save_pretrained(tmp_path / "tuned")
    assert len(list((tmp_path / "tuned").glob("*.safetensors"))) > 1 and equal(tiny.checkpoint("gpt2"), tmp_path / "tuned")
    with pytest.raises(UserError, match="^the tuned checkpoint has the weights of its base model, all of them: there is nothing to compare; name"):
        agree(tiny.checkpoint("gpt2"), tmp_path / "tuned")
    with torch.no_grad():
        models.blocks(model)[-1].mlp.c_proj.bias[-1] += 1e-3
    model.save_pretrained(tmp_path / "tuned", max_shard_size="20KB")
    agree(tiny.checkpoint("gpt2"), tmp_path / "tuned")


def test_what_differs_is_named(tmp_path, copy):
    base = tiny.checkpoint("gpt_neox")
    assert disagreement(base, tiny.checkpoint("llama")) == "architecture is GPTNeoXForCausalLM in base, LlamaForCausalLM tuned"
    tuned = copy("gpt_neox", "layers")
    change(tuned / "config.json", num_hidden_layers=2)
    assert disagreement(base, tuned) == "number of layers is 3 in base, 2 tuned"
    tuned = copy("gpt_neox", "embedding")
    tiny.build("gpt_neox", vocabulary=304).save_pretrained(tuned)
    assert disagreement(base, tuned) == "shape of embed_out.weight is [300, 16] in base, [304, 16] tuned"
    tensors = load_file(base / "model.safetensors")
    gone = sorted(tensors)[5]
    save_file({name: tensor for name, tensor in tensors.items() if name != gone}, copy("gpt_neox", "less") / "model.safetensors")
    assert disagreement(base, tmp_path / "less") == f"shape of {gone} is {list(tensors[gone].shape)} in base, none tuned"


def misfit(base: Path, tuned: Path) -> str:
    """What `fetch` says of a tuned checkpoint that is not of its base."""
    said = complaint({"path": str(tuned)}, tuned.parent, base=Base(base, {}))
    start, end = "the tuned checkpoint is not of its base model: ", "; name a pair that belongs together"
    assert said.startswith(start) and said.endswith(end)
    return said.removeprefix(start).removesuffix(end)


def test_tokens_must_be_the_same(tmp_path, copy):
    base = tiny.checkpoint("gpt2")
    assert misfit(base, copy("llama", "other")) == "architecture is GPT2LMHeadModel in base, LlamaForCausalLM tuned"
    tuned = copy("gpt2", "more")
    more = train_tokenizer(list(tiny.texts()), 299)
    more.save_pretrained(tuned)
    last = next(token for token, number in models.load_tokenizer(base).get_vocab().items() if number == 299)
    assert misfit(base, tuned) == f"id of token {last!r} is 299 in base, none tuned"

    tuned, file = copy("gpt2", "swapped"), tmp_path / "swapped" / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["e"], vocabulary["a"] = vocabulary["a"], vocabulary["e"]
    file.write_text(json.dumps(content))
    first, own, other = min(("a", vocabulary["e"], vocabulary["a"]), ("e", vocabulary["a"], vocabulary["e"]), key=lambda row: row[1])
    assert misfit(base, tuned) == f"id of token {first!r} is {own} in base, {other} tuned"

    tuned, file = copy("gpt2", "merges"), tmp_path / "merges" / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["merges"] = []
    file.write_text(json.dumps(content))
    assert misfit(base, tuned).startswith("tokenization of ")


def with_rows(kind: str, rows: int, seed: int, folder: Path, added: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
    """A checkpoint of so many embedding rows, further tokens in its tokenizer; its tensors."""
    model = tiny.build(kind, vocabulary=rows, seed=seed)
    model.save_pretrained(folder)
    tokenizer = models.load_tokenizer(tiny.checkpoint(kind))
    tokenizer.add_tokens(list(added), special_tokens=True)
    tokenizer.save_pretrained(folder)
    return model.state_dict()


def warnings_of(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "rewardscope"]


@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize(("base_rows", "tuned_rows"), [(300, 304), (304, 300), (304, 310)], ids=["added", "padded base", "both padded"])
def test_a_vocabulary_is_compared_on_its_common_part(tmp_path, caplog, kind, base_rows, tuned_rows):
    """More rows are cut off, missing ones are the base's; the blocks and the common rows are the tuned model's."""
    before = with_rows(kind, base_rows, 3, tmp_path / "base")
    after = with_rows(kind, tuned_rows, 4, tmp_path / "tuned", added=("<|user|>",) * (tuned_rows > 300))
    fetch({"path": str(tmp_path / "tuned")}, tmp_path / "ours", base=Base(tmp_path / "base", {}))
    agree(tmp_path / "base", tmp_path / "ours")
    ours = models.load(tmp_path / "ours")
    common = min(base_rows, tuned_rows)
    assert ours.config.vocab_size == base_rows and ours.state_dict().keys() == before.keys()
    for name, tensor in ours.state_dict().items():
        if len(tensor) == base_rows and after[name].shape != before[name].shape:
            assert torch.equal(tensor[:common], after[name][:common]) and torch.equal(tensor[common:], before[name][common:])
        else:
            assert torch.equal(tensor, after[name])
    assert models.load_tokenizer(tmp_path / "ours").get_vocab() == models.load_tokenizer(tmp_path / "base").get_vocab()
    said = warnings_of(caplog)
    done = (
        f"its last {tuned_rows - base_rows} are left out" if tuned_rows > base_rows else f"the {base_rows - tuned_rows} that it lacks are the base's"
    )
    assert said[-1] == f"{tmp_path / 'tuned'}: its embedding has {tuned_rows} rows, the base's {base_rows}: {done}"
    alone = f"{tmp_path / 'tuned'}: 1 tokens were added to the tuned tokenizer alone (<|user|>); both sides read by the base's"
    assert said[:-1] == [alone] * (tuned_rows > 300)


def test_what_differs_and_is_decided_is_named(tmp_path, caplog, copy):
    tuned = copy("llama", "tuned")
    change(tuned / "config.json", max_position_embeddings=128, rope_parameters={"rope_theta": 5e5, "rope_type": "default"})
    tiny.build("llama", seed=5).save_pretrained(tmp_path / "weights")
    shutil.copy(tmp_path / "weights/model.safetensors", tuned)
    tokenizer = models.load_tokenizer(tuned)
    tokenizer.eos_token, tokenizer.chat_template = "<|padding|>", "{{ messages }}"
    tokenizer.save_pretrained(tuned)
    fetch({"path": str(tuned)}, tmp_path / "ours", base=Base(tiny.checkpoint("llama"), {}))
    said = warnings_of(caplog)
    assert said[0] == f"{tuned}: special tokens differ: eos_token_id 0 in base, 1 tuned; the base's are used on both sides"
    assert said[1].startswith(f"{tuned}: settings differ: max_position_embeddings 64 in base, 128 tuned, rope_parameters {{")
    assert said[1].endswith("tuned; each side runs with its own") and "500000.0" in said[1]
    assert said[2:] == [f"{tuned}: chat templates differ; texts are read without any on both sides"]
    assert models.load_tokenizer(tmp_path / "ours").eos_token_id == 0 and models.load(tmp_path / "ours").config.max_position_embeddings == 128
    caplog.clear()
    with_rows("llama", 300, 6, tmp_path / "alike")
    fetch({"path": str(tmp_path / "alike")}, tmp_path / "again", base=Base(tiny.checkpoint("llama"), {}))
    assert warnings_of(caplog) == []
