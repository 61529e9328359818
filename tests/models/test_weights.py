"""Models whose weights stay in their files give what they give in memory, and read no more than they run."""

import pytest
import tiny
import torch
from transformers import AutoModelForCausalLM

from rewardscope.activations.extract import capture
from rewardscope.errors import UserError
from rewardscope.findings.samples import log_probabilities
from rewardscope.models import models, weights
from rewardscope.models.checkpoints import Base, fetch
from rewardscope.rlhf.completions import generate

IDS = torch.arange(2, 26).view(2, 12)
FAMILIES = ["gpt_neox", "gpt2", "llama", "gemma2", "olmo2"]


@pytest.fixture
def no_room(monkeypatch):
    monkeypatch.setattr(weights, "ROOM", 0)


def saved(kind: str, folder, shard: str = "5GB"):
    tiny.changed(kind).save_pretrained(folder, max_shard_size=shard)
    tiny.tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("at", ["mlp", "residual"])
def test_what_they_give_is_the_same(tmp_path, monkeypatch, kind, at):
    folder = saved(kind, tmp_path / "model", "20KB")
    memory = models.load(folder)
    monkeypatch.setattr(weights, "ROOM", 0)
    model = models.load(folder)
    assert weights.stay(model) and not weights.stay(memory) and {p.device.type for p in model.parameters()} == {"meta"}
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, memory(IDS).logits)
    inside, outside = (capture(m, models.places(m, [0, 1], at), IDS) for m in (memory, model))
    assert all(torch.equal(inside[layer], outside[layer]) for layer in (0, 1)) and not torch.equal(inside[0], inside[1])
    directions = torch.randn(3, models.d_model(memory), generator=torch.Generator().manual_seed(1))
    assert torch.equal(models.promoted(model, directions), models.promoted(memory, directions))
    assert models.check_promoted(model, at, IDS, 1) == models.check_promoted(memory, at, IDS, 1)


def test_memory_decides(tmp_path, monkeypatch):
    folder = saved("llama", tmp_path / "model")
    size = sum(p.numel() for p in models.load(folder).parameters())
    for dtype, width in ((torch.float32, 4), (torch.bfloat16, 2)):
        for free, kept in ((size * width / weights.ROOM + 1, False), (size * width / weights.ROOM - 10, True)):
            monkeypatch.setattr(weights, "available_memory", lambda free=free: free)
            assert weights.stay(models.load(folder, dtype)) == kept
    assert weights.placed(folder, torch.float32, "cuda") == {}
    assert not weights.stay(models.load(folder, whole=True))


def test_completions_and_what_findings_read_are_the_same(tmp_path, monkeypatch):
    folder = saved("llama", tmp_path / "model")
    memory = models.load(folder)
    monkeypatch.setattr(weights, "ROOM", 0)
    model = models.load(folder)
    written, again = (generate(m, IDS[:, :4], 5, 1.0, [1, 2]) for m in (memory, model))
    assert torch.equal(written, again) and written.shape == (2, 5)
    sequences = torch.cat([IDS[:, :4], written], dim=1).tolist()
    (_, kept, logs), (_, _, others) = (next(log_probabilities(m, m, sequences, 4)) for m in (memory, model))
    assert kept.sum() == 10 and torch.equal(logs[0], others[0])


@pytest.mark.parametrize("at", ["mlp", "residual"])
def test_blocks_above_are_never_read(tmp_path, no_room, at):
    """The files of the head and the last block alone are gone."""
    folder = saved("llama", tmp_path / "model", "1KB")
    model = models.load(folder)
    above = [file for file in folder.glob("*.safetensors") if all(".layers.2." in name or "head" in name for name in weights.names(file))]
    for file in above:
        file.unlink()
    assert len(above) > 5
    x = capture(model, models.places(model, [1], at), IDS)[1]
    assert x.shape == (*IDS.shape, models.d_model(model)) and x.isfinite().all()
    with pytest.raises(Exception, match="No such file"):
        model(IDS)


def test_a_checkpoint_without_room_is_tried_and_linked(tmp_path, no_room):
    folder = saved("llama", tmp_path / "theirs", "20KB")
    source = fetch({"path": str(folder)}, tmp_path / "ours", asks={"at": "mlp", "lengths": {}})
    assert source["architecture"] == "LlamaForCausalLM"
    assert all((tmp_path / "ours" / file.name).samefile(file) for file in folder.glob("model*"))


def test_what_would_have_to_be_written_anew_is_refused_without_room(tmp_path, no_room):
    base, tuned = saved("llama", tmp_path / "base"), saved("llama", tmp_path / "tuned")
    fetch({"path": str(base)}, tmp_path / "ours")
    model = AutoModelForCausalLM.from_pretrained(tuned)
    model.resize_token_embeddings(tiny.VOCABULARY + 8)
    model.save_pretrained(tuned)
    with pytest.raises(UserError, match="memory has no room") as caught:
        fetch({"path": str(tuned)}, tmp_path / "second", base=Base(tmp_path / "ours", {}))
    assert "\n" not in str(caught.value) and not (tmp_path / "second").exists()
