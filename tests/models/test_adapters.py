"""Adapters as tuned checkpoints: merged they are the base with the adapter on, and what cannot be merged is told in one line."""

import json
import shutil
from pathlib import Path

import fake_hub
import peft
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from rewardscope.checksums import checksum
from rewardscope.errors import UserError
from rewardscope.models import adapters, models
from rewardscope.models.agreement import agree
from rewardscope.models.checkpoints import Base, fetch

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:peft", "ignore::FutureWarning")  # of making adapters
BLOCK = {"target_modules": ["q_proj", "down_proj"]}
SOURCE = {"hub": "org/base", "revision": None, "commit": fake_hub.FIRST}
IDS = torch.tensor([[5, 17, 40, 99, 3]])
MERGED = {
    "lora": peft.LoraConfig(r=2, lora_alpha=6, **BLOCK),
    "dora": peft.LoraConfig(r=2, use_dora=True, **BLOCK),
    "adalora": peft.AdaLoraConfig(init_r=3, target_r=2, total_step=9, **BLOCK),
    "ia3": peft.IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "loha": peft.LoHaConfig(r=2, **BLOCK),
    "lokr": peft.LoKrConfig(r=2, **BLOCK),
    "vera": peft.VeraConfig(r=2, target_modules=["q_proj"]),
    "hra": peft.HRAConfig(r=2, **BLOCK),
    "oft": peft.OFTConfig(oft_block_size=4, use_cayley_neumann=False, **BLOCK),
    "ln_tuning": peft.LNTuningConfig(target_modules=["input_layernorm"]),
}


def train(config, folder: Path, kind: str = "llama", made_for: str = "org/base") -> torch.Tensor:
    """Save an adapter of a tiny model with random weights; the logits of the model with it."""
    torch.manual_seed(5)
    tuned = peft.get_peft_model(models.load(tiny.checkpoint(kind)), config)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter)) if "lokr" not in name else parameter.copy_(0.3 * torch.randn_like(parameter))
        logits = tuned.eval()(input_ids=IDS).logits
    tuned.peft_config["default"].base_model_name_or_path = made_for
    tuned.save_pretrained(folder, save_embedding_layers=False)  # else it asks the hub
    return logits


def change(folder: Path, **keys) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


def base(kind: str = "llama", source: dict = SOURCE) -> Base:
    return Base(tiny.checkpoint(kind), source)


def complaint(folder: Path, of: Base | None = None) -> str:
    with pytest.raises(UserError) as caught:
        fetch({"path": str(folder)}, folder.parent / "ours", None, of or base())
    assert "\n" not in str(caught.value) and not (folder.parent / "ours").exists() and str(caught.value).startswith(f"{folder}: ")
    return str(caught.value).removeprefix(f"{folder}: ")


@pytest.mark.parametrize("kind", MERGED)
def test_a_merged_adapter_is_the_model_with_it_on(tmp_path, kind):
    logits = train(MERGED[kind], tmp_path / "adapter")
    source = fetch({"path": str(tmp_path / "adapter")}, tmp_path / "ours", None, base())
    ours = models.load(tmp_path / "ours")
    with torch.no_grad():
        torch.testing.assert_close(ours(input_ids=IDS).logits, logits, rtol=1e-4, atol=1e-4)
        assert (models.load(tiny.checkpoint("llama"))(input_ids=IDS).logits - logits).abs().max() > 1e-3
    assert ours.state_dict().keys() == tiny.build("llama").state_dict().keys() and {p.dtype for p in ours.parameters()} == {torch.float32}
    agree(tiny.checkpoint("llama"), tmp_path / "ours")
    assert source["sha256"] == {"adapter_model.safetensors": checksum(tmp_path / "adapter/adapter_model.safetensors")}
    assert (source["base"], source["adapter"]["base_model_name_or_path"], source["architecture"]) == (SOURCE, "org/base", "LlamaForCausalLM")


def test_lora_by_hand(tmp_path):
    """W + alpha / r B A, in float32 though the adapter is in bfloat16; no other tensor moves."""
    train(MERGED["lora"], tmp_path / "adapter")
    file = tmp_path / "adapter/adapter_model.safetensors"
    half = {name: tensor.bfloat16() for name, tensor in load_file(file).items()}
    save_file(half, file)
    fetch({"path": str(tmp_path / "adapter")}, tmp_path / "ours", None, base())
    before, after = (models.load(folder).state_dict() for folder in (tiny.checkpoint("llama"), tmp_path / "ours"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {f"model.layers.{n}.{part}.weight" for n in range(tiny.LAYERS) for part in ("self_attn.q_proj", "mlp.down_proj")}
    for name in moved:
        a, b = (half[f"base_model.model.{name.removesuffix('weight')}lora_{part}.weight"].float() for part in "AB")
        torch.testing.assert_close(after[name], before[name] + 6 / 2 * b @ a, rtol=1e-6, atol=1e-6)


def test_from_the_hub(tmp_path, monkeypatch):
    train(MERGED["lora"], tmp_path / "adapter")
    tiny.tokenizer().save_pretrained(tmp_path / "adapter")
    fake_hub.lay_out(tmp_path / "hub", "model", "org/lora", fake_hub.SECOND, fake_hub.contents(tmp_path / "adapter"))
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    source = fetch({"hub": "org/lora", "revision": None}, tmp_path / "ours", None, base())
    assert (source["hub"], source["commit"], source["base"]["commit"]) == ("org/lora", fake_hub.SECOND, fake_hub.FIRST)
    agree(tiny.checkpoint("llama"), tmp_path / "ours")


def test_a_config_beside_it_makes_it_no_model(tmp_path):
    """Some trainers write the base's config.json beside the adapter."""
    train(MERGED["lora"], tmp_path / "adapter")
    shutil.copy(tiny.checkpoint("llama") / "config.json", tmp_path / "adapter")
    fetch({"path": str(tmp_path / "adapter")}, tmp_path / "ours", None, base())
    shutil.copy(tiny.checkpoint("llama") / "model.safetensors", tmp_path / "adapter")
    shutil.rmtree(tmp_path / "ours")
    assert complaint(tmp_path / "adapter") == "an adapter lies beside the model (adapter_config.json); merge it into the model, or move it away"


# ---- of another base ----------------------------------------------------------------------------
def test_made_for_another_base(tmp_path, caplog):
    theirs = tmp_path / "adapter"
    train(MERGED["lora"], theirs, made_for="org/other")
    assert complaint(theirs) == (
        "an adapter of org/other (base_model_name_or_path in adapter_config.json), and the pair's base model is org/base; "
        "name the pair's base model as there, or correct that key where the two are one model"
    )
    for source in ({"path": str(tiny.checkpoint("llama"))}, {"pretrained": {}, "seed": 1}):  # nothing tells: the shapes will
        adapters.check("it", {"peft_type": "LORA", "base_model_name_or_path": "org/other"}, source)
        assert caplog.records[-1].getMessage().startswith("it: made for org/other, and merged into ")
    caplog.clear()
    adapters.check("it", {"peft_type": "LORA", "base_model_name_or_path": "org/base", "revision": "v1"}, {**SOURCE, "revision": "v1"})
    adapters.check("it", {"peft_type": "LORA", "base_model_name_or_path": str(tmp_path / "a/..")}, {"path": str(tmp_path)})
    assert not caplog.records
    adapters.check("it", {"peft_type": "LORA", "base_model_name_or_path": "org/base", "revision": "v2"}, {**SOURCE, "revision": "v1"})
    assert "at revision v2" in caplog.records[-1].getMessage()


def test_shapes_of_another_base(tmp_path):
    theirs = tmp_path / "adapter"
    train(MERGED["lora"], theirs)
    assert complaint(theirs, base("gpt2")).startswith("the adapter (LORA) does not fit the base model (Target modules")
    file = theirs / "adapter_model.safetensors"
    tensors = load_file(file)
    name = sorted(tensors)[0]
    save_file({**tensors, name: torch.zeros(2, 99)}, file)
    assert complaint(theirs).startswith("the adapter (LORA) does not fit the base model (Error(s) in loading state_dict")
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, file)
    assert complaint(theirs) == f"1 tensors of the adapter are not in adapter_model.safetensors, {name} first; use a whole one, of this base model"
    deeper = name.replace("layers.0", "layers.7")
    save_file({**tensors, deeper: tensors[name].clone()}, file)
    assert complaint(theirs).startswith(f"1 tensors of adapter_model.safetensors have no place in the base model, {deeper} first; ")


# ---- what cannot be merged -----------------------------------------------------------------------
def test_kinds_that_are_not_merged(tmp_path):
    theirs = tmp_path / "adapter"
    train(MERGED["lora"], theirs)
    change(theirs, peft_type="NOVEL")
    assert complaint(theirs) == (
        "peft_type in adapter_config.json is 'NOVEL', which peft does not know; use an adapter of a kind that it merges (LORA, ...)"
    )
    config = theirs / "adapter_config.json"
    config.write_text(config.read_text().replace("{", '{"peft_type": "LORA",', 1))
    assert complaint(theirs) == "adapter_config.json: the key peft_type is given twice in one object; remove one of them"
    shutil.rmtree(theirs)
    train(peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3), theirs)
    assert complaint(theirs) == "peft cannot merge this adapter (PROMPT_TUNING: it changes no weight); merge or retrain it as another kind"


def test_weights_that_are_pickled_cut_or_no_numbers(tmp_path):
    theirs = tmp_path / "adapter"
    train(MERGED["lora"], theirs)
    file = theirs / "adapter_model.safetensors"
    tensors = load_file(file)
    file.write_bytes(file.read_bytes()[:-1])
    assert complaint(theirs).startswith("adapter_model.safetensors cannot be read (")
    save_file({name: tensor * float("nan") for name, tensor in tensors.items()}, file)
    said = complaint(theirs)
    assert "NaN" in said or "not finite" in said
    file.unlink()
    assert complaint(theirs) == "no adapter_model.safetensors; copy it again"
    torch.save(tensors, theirs / "adapter_model.bin")
    assert complaint(theirs) == (
        "no adapter_model.safetensors; pickled weights (adapter_model.bin) can run code and are not loaded: convert them where you trust them: "
        "AutoPeftModelForCausalLM.from_pretrained(folder).save_pretrained(new), then name the folder new"
    )


def test_new_tokens(tmp_path):
    theirs = tmp_path / "adapter"
    model = tiny.build("llama")
    model.resize_token_embeddings(tiny.VOCABULARY + 2)
    tuned = peft.get_peft_model(model, peft.LoraConfig(r=2, modules_to_save=["embed_tokens", "lm_head"], **BLOCK))
    tuned.peft_config["default"].base_model_name_or_path = "org/base"
    tuned.save_pretrained(theirs, save_embedding_layers=False)
    said = complaint(theirs)
    assert said.startswith("the adapter adds 2 tokens to the vocabulary (base_model.model.") and "has 302 rows, the base model 300)" in said
    shutil.rmtree(theirs)
    train(MERGED["lora"], theirs)
    more = models.load_tokenizer(tiny.checkpoint("llama"))
    more.add_tokens(["<new>"])
    more.save_pretrained(theirs)
    assert complaint(theirs).startswith("the tokenizer has 301 tokens, the embedding 300 rows")


def test_embeddings_of_the_same_size_are_merged(tmp_path):
    config = peft.LoraConfig(r=2, modules_to_save=["embed_tokens"], **BLOCK)
    logits = train(config, tmp_path / "adapter")
    fetch({"path": str(tmp_path / "adapter")}, tmp_path / "ours", None, base())
    with torch.no_grad():
        torch.testing.assert_close(models.load(tmp_path / "ours")(input_ids=IDS).logits, logits, rtol=1e-4, atol=1e-4)


def test_an_adapter_is_no_base_model(tmp_path):
    train(MERGED["lora"], tmp_path / "adapter")
    with pytest.raises(UserError, match="no config.json; it is an adapter: name its model here, and the adapter as rlhf: of a pair$"):
        fetch({"path": str(tmp_path / "adapter")}, tmp_path / "ours")
