"""Checkpoints of others, changed and fetched."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch

from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.models.checkpoints import Base, fetch


def copies(folder: Path) -> Callable[..., Path]:
    """What copies a checkpoint of one kind into `folder`, where a test may change it."""
    return lambda kind="gpt2", name="theirs": Path(shutil.copytree(tiny.checkpoint(kind), folder / name))


def complaint(entry: dict, folder: Path, record: Path | None = None, base: Base | None = None, asks: dict | None = None) -> str:
    """What `fetch` says; it must leave nothing behind."""
    with pytest.raises(UserError) as caught:
        fetch(entry, folder / "ours", record, base, asks)
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
