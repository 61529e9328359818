"""A base model and its tuned checkpoint: what must agree, and what differs and is named."""

import json
import shutil
from pathlib import Path

import pytest
import tiny
import torch
from fetched import change, complaint, copies
from safetensors.torch import load_file, save_file

from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.models.agreement import agree, equal
from rewardscope.models.checkpoints import Base, fetch
from rewardscope.models.pretrain import train_tokenizer


@pytest.fixture
def copy(tmp_path):
    return copies(tmp_path)


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
