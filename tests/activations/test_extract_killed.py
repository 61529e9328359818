"""An extraction that is killed, split over jobs or damaged ends with the bytes of an undisturbed one."""

import pytest
import tiny
import torch
from extractions import LAYERS, SETTINGS, content, corpus, extract, extracted

from rewardscope.activations import shards
from rewardscope.activations.batches import Share
from rewardscope.activations.moments import total
from rewardscope.models import models


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
