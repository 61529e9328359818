"""Checkpoints that cannot be used: every complaint as the line that a user reads."""

import shlex
from pathlib import Path

import pytest
import tiny
import torch
from fetched import change, complaint, copies
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
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from rewardscope.models import models
from rewardscope.models.checkpoints import fetch
from rewardscope.models.pretrain import train_tokenizer


@pytest.fixture
def copy(tmp_path):
    return copies(tmp_path)


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


def test_a_model_that_fails_by_itself(tmp_path, monkeypatch):
    """Jamba's cache needs an attention layer, which the small one lacks: nothing asks for a cache."""
    said = complaint(save(tiny.changed("jamba"), tmp_path / "theirs"), tmp_path, asks={"at": "mlp", "lengths": {}})
    assert said.startswith(f"{tmp_path / 'theirs'}: JambaMambaDecoderLayer: cannot tell its MLP among its children")
    monkeypatch.setattr(GPT2Model, "forward", lambda *_, **__: 1 / 0)
    said = complaint({"path": tiny.checkpoint("gpt2")}, tmp_path)
    assert said.endswith("gpt2: GPT2LMHeadModel fails on a few tokens (ZeroDivisionError: division by zero); use another model")


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
