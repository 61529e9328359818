"""Activations of a corpus: what lies in the shards is what a plain forward pass of one document shows."""

import itertools
import threading

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from extractions import LAYERS, PAD, SETTINGS, block, content, corpus, extract, extracted, moments_of, plain
from safetensors.torch import save_file

from rewardscope.activations import extract as activations
from rewardscope.activations import shards
from rewardscope.activations.extract import capture
from rewardscope.errors import UserError
from rewardscope.models import models


@pytest.mark.parametrize(("kind", "at"), [("gpt_neox", "mlp"), ("gpt_neo", "residual"), ("llama", "mlp"), ("gpt2", "residual")])
def test_extract(tmp_path, kind, at):
    model, tokenizer, documents = models.load(tiny.checkpoint(kind)), models.load_tokenizer(tiny.checkpoint(kind)), corpus()
    layers = {"top1": 1, "top2": 0, "low1": 0}
    extract(model, tokenizer, documents, layers, {**SETTINGS, "at": at}, 5, tmp_path)
    moments = moments_of(tmp_path, layers)
    tokens = pd.read_parquet(tmp_path / "tokens.parquet")

    # the index: every token of every document, but not position 0, special tokens, or anything after 20 tokens
    ids = [tokenizer(text)["input_ids"][:20] for text in documents["text"]]
    assert 0 in ids[10][1:] and len(ids[11]) == 1 and max(map(len, ids)) == 20
    expected = {(d, p, t) for d, doc in enumerate(ids) for p, t in enumerate(doc) if p > 0 and t not in (0, PAD)}
    found = list(zip(tokens["document"], tokens["position"], tokens["token"], strict=True))
    assert set(found) == expected and len(found) == len(expected)
    assert tokens.columns.tolist() == ["document", "part", "corpus", "position", "token"]
    assert (tokens["part"] == documents["part"].loc[tokens["document"]].to_numpy()).all()
    assert set(tokens["corpus"]) == {"films"}
    fit = int((tokens["part"] == "fit").sum())
    assert (tokens["part"].iloc[:fit] == "fit").all() and (tokens["part"].iloc[fit:] == "held").all() and fit < len(tokens)

    # the rows: those of a plain forward pass of that document at that position
    states = [plain(kind, model, at, doc) for doc in ids]
    for pick, layer in layers.items():
        files = {part: shards.files(tmp_path / pick, part) for part in ("fit", "held")}
        assert [shards.shape(f)[0] for f in files["fit"]] == [16] * (fit // 16) + [fit % 16] * (fit % 16 > 0)
        rows = torch.cat([shards.read(file) for part in ("fit", "held") for file in files[part]])
        wanted = torch.stack([states[d][layer][p] for d, p, _ in found])
        assert rows.dtype == torch.float32
        torch.testing.assert_close(rows, wanted, rtol=1e-5, atol=1e-5)

        # the moments: numpy's, of the fit rows
        x = wanted[:fit].double().numpy()
        assert moments[pick]["tokens"] == fit
        assert moments[pick]["documents"] == tokens["document"].iloc[:fit].nunique()  # each has a row
        np.testing.assert_allclose(moments[pick]["mean"].numpy(), x.mean(0), atol=1e-5)
        np.testing.assert_allclose(moments[pick]["covariance"].numpy(), np.cov(x.T, bias=True), atol=1e-5)
        assert np.abs(np.cov(x.T, bias=True)).max() > 1e-3


def test_extract_is_deterministic_and_stores_its_dtype(tmp_path):
    model, tokenizer = models.load(tiny.checkpoint("gpt_neox")), models.load_tokenizer(tiny.checkpoint("gpt_neox"))
    read = {}
    for name, dtype, seed in (("a", "float32", 5), ("b", "float32", 5), ("c", "bfloat16", 5), ("d", "float32", 6)):
        (tmp_path / name).mkdir()
        extract(model, tokenizer, corpus(), {"top1": 1}, {**SETTINGS, "dtype": dtype}, seed, tmp_path / name)
        read[name] = (
            pd.read_parquet(tmp_path / name / "tokens.parquet"),
            torch.cat([shards.read(file) for file in shards.files(tmp_path / name / "top1", "fit")]),
        )
    assert torch.equal(read["a"][1], read["b"][1]) and read["a"][0].equals(read["b"][0])
    assert read["c"][1].dtype == torch.bfloat16 and torch.equal(read["c"][1], read["a"][1].to(torch.bfloat16))
    assert not read["d"][0].equals(read["a"][0])  # another order


@pytest.mark.parametrize("fails_at", [1, 4, 10, 16, 17])
def test_a_full_disk_in_the_background_ends_the_extraction(tmp_path, monkeypatch, fails_at):
    """It is said, whichever shard it was; nothing looks finished, and the rerun ends as an undisturbed one."""
    extracted(tmp_path / "whole", monkeypatch)
    calls = itertools.count(1)

    def full(tensors, file):
        if next(calls) >= fails_at:
            raise OSError(28, "No space left on device")
        save_file(tensors, file)

    with monkeypatch.context() as disk:
        disk.setattr(shards, "save_file", full)
        with pytest.raises(UserError, match="the disk is full"):
            extracted(tmp_path / "failed", monkeypatch)
    assert not list(tmp_path.glob("failed/*/part0/checksums.json"))
    extracted(tmp_path / "failed", monkeypatch)
    assert content(tmp_path / "failed") == content(tmp_path / "whole")


def test_the_model_goes_on_while_shards_are_written(tmp_path, monkeypatch):
    """The first shard's writer waits until the model has been asked for the batch after it."""
    seen = threading.Event()

    def slow(tensors, file):
        assert seen.wait(60)
        save_file(tensors, file)

    batches = []

    def counted(model, places, input_ids):
        batches.append(input_ids)
        if len(batches) == 3:  # a shard is full after the second one
            seen.set()
        return capture(model, places, input_ids)

    model, tokenizer = models.load(tiny.checkpoint("gpt_neox")), models.load_tokenizer(tiny.checkpoint("gpt_neox"))
    monkeypatch.setattr(shards, "save_file", slow)
    monkeypatch.setattr(activations, "capture", counted)
    extract(model, tokenizer, corpus(), LAYERS, {**SETTINGS, "batch_tokens": 20, "shard_tokens": 32}, 5, tmp_path)
    assert len(batches) == 11


def test_extract_refuses(tmp_path):
    model, tokenizer = models.load(tiny.checkpoint("gpt_neox")), models.load_tokenizer(tiny.checkpoint("gpt_neox"))
    for folder in "ab":
        (tmp_path / folder).mkdir()
    with pytest.raises(UserError, match="^corpus films: no held document of two tokens or more$"):
        extract(model, tokenizer, corpus().query("part == 'fit'"), {"top1": 1}, SETTINGS, 5, tmp_path / "a")
    with torch.no_grad():
        block("gpt_neox", model, 1).mlp.dense_4h_to_h.bias[3] = torch.nan
    with pytest.raises(UserError, match="^layer 1 gives activations that are not finite; "):
        extract(model, tokenizer, corpus(), {"top1": 1}, SETTINGS, 5, tmp_path / "b")
