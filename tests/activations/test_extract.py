"""Activations: what is captured is what a plain forward pass of one document shows."""

import itertools
import threading

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from safetensors.torch import save_file

from rewardscope.activations import extract as activations
from rewardscope.activations import shards
from rewardscope.activations.batches import ALONE, Share, plan
from rewardscope.activations.extract import capture
from rewardscope.activations.moments import total
from rewardscope.errors import UserError
from rewardscope.models import models

PAD, END = 1, "<|endoftext|>"
SETTINGS = {"at": "mlp", "tokens": 20, "dtype": "float32", "batch_tokens": 64, "shard_tokens": 16}
BACKBONES = {"gpt_neox": "gpt_neox.layers", "llama": "model.layers", "gpt_neo": "transformer.h", "gpt2": "transformer.h"}


def block(kind: str, model, layer: int):
    return model.get_submodule(f"{BACKBONES[kind]}.{layer}")


@torch.no_grad()
def plain(kind: str, model, at: str, ids: list[int]) -> list[torch.Tensor]:
    """Activations `[position, d_model]` of every layer for one unpadded document, by an ordinary forward pass."""
    seen = []
    handles = [block(kind, model, n).mlp.register_forward_hook(lambda _m, _i, out: seen.append(out[0])) for n in range(tiny.LAYERS)]
    states = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    for handle in handles:
        handle.remove()
    # the last hidden state has been through the final norm: test_residual_of_the_last_block undoes that
    return seen if at == "mlp" else [state[0] for state in states[1:]]


def documents(count: int = 4) -> list[list[int]]:
    return tiny.tokenizer()([text[: 20 + 25 * i] for i, text in enumerate(tiny.texts()[:count])])["input_ids"]


def padded(ids: list[list[int]]) -> torch.Tensor:
    longest = max(map(len, ids))
    return torch.tensor([doc + [PAD] * (longest - len(doc)) for doc in ids])


@pytest.mark.parametrize("at", ["mlp", "residual"])
@pytest.mark.parametrize("kind", tiny.KINDS)
def test_capture(kind, at):
    model = models.load(tiny.checkpoint(kind))
    ids = documents()
    assert len({len(doc) for doc in ids}) == 4  # so that rows are padded
    seen = capture(model, models.places(model, [1, 0], at), padded(ids))
    assert seen.keys() == {0, 1}
    for row, doc in enumerate(ids):
        expected = plain(kind, model, at, doc)
        for layer, x in seen.items():
            assert x.shape == (4, max(map(len, ids)), tiny.WIDTH)
            torch.testing.assert_close(x[row, : len(doc)], expected[layer], rtol=1e-5, atol=1e-5)
    assert (expected[0] - expected[1]).abs().max() > 0.01  # layers can be told apart


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_residual_of_the_last_block(kind):
    model = models.load(tiny.checkpoint(kind))
    ids = documents(1)
    last = capture(model, models.places(model, [tiny.LAYERS - 1], "residual"), torch.tensor(ids))[tiny.LAYERS - 1]
    with torch.no_grad():
        normed = models.final_norm(model)(last)[0]
    torch.testing.assert_close(normed, plain(kind, model, "residual", ids[0])[-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_model_in_bfloat16(kind):
    """The same activations, to that precision's eight bits."""
    ids = padded(documents())
    both = (models.load(tiny.checkpoint(kind), dtype) for dtype in (torch.float32, torch.bfloat16))
    exact, rounded = (capture(model, models.places(model, [2], "mlp"), ids)[2] for model in both)
    assert rounded.dtype == torch.bfloat16
    assert 0 < (rounded.float() - exact).square().mean().sqrt() < 0.02 * exact.std()


def count_calls(kind: str, model) -> dict:
    """Calls of every block and of the head, counted from now on."""
    calls = dict.fromkeys([*range(tiny.LAYERS), "head", "mlp"], 0)

    def count(name):
        def hook(*_):
            calls[name] += 1

        return hook

    for n in range(tiny.LAYERS):
        block(kind, model, n).register_forward_pre_hook(count(n))
    block(kind, model, 1).mlp.register_forward_pre_hook(count("mlp"))
    model.get_output_embeddings().register_forward_pre_hook(count("head"))
    return calls


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_nothing_above_the_deepest_layer_runs(kind):
    model = models.load(tiny.checkpoint(kind))
    mlps, block_0, mlp_2 = (models.places(model, *of) for of in (([0, 1], "mlp"), ([0], "residual"), ([2], "mlp")))
    calls = count_calls(kind, model)
    capture(model, mlps, torch.tensor(documents(1)))
    assert calls == {0: 1, 1: 1, 2: 0, "head": 0, "mlp": 1}
    capture(model, block_0, torch.tensor(documents(1)))
    assert calls == {0: 2, 1: 1, 2: 0, "head": 0, "mlp": 1}
    capture(model, mlp_2, torch.tensor(documents(1)))
    assert calls == {0: 3, 1: 2, 2: 1, "head": 0, "mlp": 2}


def hooks(model) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@pytest.mark.parametrize("at", ["mlp", "residual"])
def test_hooks_are_removed(at):
    model = models.load(tiny.checkpoint("gpt_neox"))
    before = hooks(model)
    places = models.places(model, [0, 2], at)
    capture(model, places, torch.tensor(documents(1)))
    assert hooks(model) == before
    with pytest.raises(IndexError):
        capture(model, places, torch.tensor([[tiny.VOCABULARY + 5]]))  # no such token
    assert hooks(model) == before


def corpus() -> pd.DataFrame:
    """12 documents: some longer than 20 tokens, one with special tokens inside, one of a single token."""
    texts = [text[:n] for text, n in zip(tiny.texts(), (15, 200, 30, 60, 200, 22, 45, 80, 33, 70), strict=False)]
    texts += [f"a film {END} of the actor {END}", "a"]
    part = ["fit", "held", "fit", "fit", "fit", "held", "fit", "held", "fit", "fit", "fit", "fit"]
    return pd.DataFrame({"text": texts, "part": part})


def extract(model, tokenizer, documents, layers, settings, seed, out, share=ALONE) -> None:
    activations.extract(model, plan(tokenizer, documents, settings, seed, "films"), layers, settings, out, share)


def moments_of(out, picks) -> dict[str, dict[str, torch.Tensor]]:
    return {pick: total(sorted((out / pick / "sums").iterdir())) for pick in picks}


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


LAYERS = {"top1": 1, "top2": 0, "low1": 0}


def extracted(out, monkeypatch, dies_at=None, shard_tokens=32, share=ALONE):
    """Whether it ended (it may be killed before its n-th batch), and the sizes of the batches that went through the model."""
    model, tokenizer = models.load(tiny.checkpoint("gpt_neox")), models.load_tokenizer(tiny.checkpoint("gpt_neox"))
    settings = {**SETTINGS, "batch_tokens": 20, "shard_tokens": shard_tokens}
    sizes = []

    def counted(model, places, input_ids):
        if len(sizes) + 1 == dies_at:
            raise KeyboardInterrupt
        sizes.append(input_ids.numel())
        return capture(model, places, input_ids)

    monkeypatch.setattr(activations, "capture", counted)
    out.mkdir(exist_ok=True)
    try:
        extract(model, tokenizer, corpus(), LAYERS, settings, 5, out, share)
    except KeyboardInterrupt:
        return False, sizes
    return True, sizes


def content(out) -> dict[str, bytes]:
    """What is there but states."""
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file() and "state" not in str(file.relative_to(out))}


@pytest.mark.parametrize("dies_at", range(1, 12))
@pytest.mark.parametrize(
    ("shard_tokens", "most"), [(32, 2), (8, 0), (7, 0)], ids=["shards of two batches", "shards of half a batch", "a rest at the end of a part"]
)
def test_a_killed_extraction_ends_as_an_undisturbed_one(tmp_path, monkeypatch, dies_at, shard_tokens, most):
    _, sizes = extracted(tmp_path / "whole", monkeypatch, None, shard_tokens)
    files = content(tmp_path / "whole")
    assert len(sizes) == 11 and len([file for file in files if "/sums/" not in file]) == 1 + 3 * (1 + {32: 6, 8: 23, 7: 27}[shard_tokens])
    _, before = extracted(tmp_path / "killed", monkeypatch, dies_at, shard_tokens)
    for name, data in content(tmp_path / "killed").items():
        assert files[name] == data  # what is there already is there for good
    _, after = extracted(tmp_path / "killed", monkeypatch, None, shard_tokens)
    assert content(tmp_path / "killed") == files  # the sums of the moments among them
    repeated = len(before) + len(after) - len(sizes)
    assert before + after[repeated:] == sizes and 0 <= repeated <= most


def split(out, jobs: int, shard_tokens: int) -> dict[str, dict[str, torch.Tensor]]:
    """An extraction by so many jobs, each in a folder of its own, their shards brought together in `out`; its moments."""
    model, tokenizer = models.load(tiny.checkpoint("gpt_neox")), models.load_tokenizer(tiny.checkpoint("gpt_neox"))
    settings = {**SETTINGS, "batch_tokens": 20, "shard_tokens": shard_tokens}
    sums = {pick: [] for pick in LAYERS}
    for p in range(jobs):
        work = out / f"job{p}"
        work.mkdir(parents=True)
        extract(model, tokenizer, corpus(), LAYERS, settings, 5, work, Share(p, jobs))
        for pick in LAYERS:
            (out / pick).mkdir(exist_ok=True)
            (work / pick / f"part{p}").rename(out / pick / f"part{p}")
            sums[pick] += sorted((work / pick / "sums").iterdir())
    return {pick: total(files) for pick, files in sums.items()}


@pytest.mark.parametrize("jobs", [2, 3, 16])
@pytest.mark.parametrize("shard_tokens", [32, 8], ids=["shards of two batches", "shards of half a batch"])
def test_a_split_extraction_has_the_bytes_of_one_job(tmp_path, jobs, shard_tokens):
    """The same shards under the same names, in the same order, the same index, the same moments to the last bit."""
    one, many = split(tmp_path / "one", 1, shard_tokens), split(tmp_path / "many", jobs, shard_tokens)
    index = (tmp_path / "one/job0/tokens.parquet").read_bytes()
    assert [(tmp_path / f"many/job{p}/tokens.parquet").read_bytes() for p in range(jobs)] == [index] * jobs
    filled = 0
    for pick in LAYERS:
        for part in ("fit", "held"):
            whole, parts = shards.files(tmp_path / "one" / pick, part), shards.files(tmp_path / "many" / pick, part)
            assert [(file.name, file.read_bytes()) for file in parts] == [(file.name, file.read_bytes()) for file in whole]
            filled = max(filled, len({file.parent for file in parts}))
        assert one[pick].keys() == many[pick].keys() and all(torch.equal(one[pick][n], many[pick][n]) for n in one[pick])
    assert filled > 1  # there was something to share out
    assert len(list((tmp_path / "one/job0/top1/sums").iterdir())) > 2  # and the moments had groups to be added up


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4])
def test_a_killed_part_ends_as_an_undisturbed_one(tmp_path, monkeypatch, dies_at):
    extracted(tmp_path / "whole", monkeypatch, None, 8, Share(1, 3))
    _, before = extracted(tmp_path / "killed", monkeypatch, dies_at, 8, Share(1, 3))
    assert len(before) == dies_at - 1
    extracted(tmp_path / "killed", monkeypatch, None, 8, Share(1, 3))
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_an_extraction_killed_again_and_again_gets_there(tmp_path, monkeypatch):
    extracted(tmp_path / "whole", monkeypatch)
    runs = 0
    while not extracted(tmp_path / "killed", monkeypatch, dies_at=4)[0]:
        runs += 1
    assert 3 <= runs < 11 and content(tmp_path / "killed") == content(tmp_path / "whole")


def test_a_damaged_state_costs_a_shard_and_nothing_else(tmp_path, monkeypatch):
    extracted(tmp_path / "whole", monkeypatch)
    extracted(tmp_path / "killed", monkeypatch, dies_at=9)
    newest = max((tmp_path / "killed").glob("state*"))
    (newest / "tensors.safetensors").write_bytes(b"half")
    extracted(tmp_path / "killed", monkeypatch)
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


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


def test_dtypes_are_those_of_the_config():
    assert {name: str(dtype) for name, dtype in activations.DTYPES.items()} == {name: f"torch.{name}" for name in ("float32", "bfloat16", "float16")}
