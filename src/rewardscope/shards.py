"""Activation shards: safetensors files of `[tokens, d_model]` rows, one part (`fit` or `held`) a file."""
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rewardscope.errors import UserError

BUFFER = 4  # shards mixed at a time: what bounds memory, whatever the corpus


class Writer:
    """Collects rows of one layer and writes a shard whenever `shard_tokens` of one part are there."""

    def __init__(self, folder: Path, shard_tokens: int):
        self.folder, self.shard_tokens = folder, shard_tokens
        self.rows: list[Tensor] = []
        self.waiting = self.shard = 0
        folder.mkdir(parents=True)

    def add(self, rows: Tensor, part: str) -> None:
        """Append rows `[n, d]` of `part`."""
        self.rows.append(rows)
        self.waiting += len(rows)
        while self.waiting >= self.shard_tokens:
            self._write(part, self.shard_tokens)

    def flush(self, part: str) -> None:
        """End the part: what is left becomes a last, smaller shard."""
        if self.waiting:
            self._write(part, self.waiting)

    def _write(self, part: str, count: int) -> None:
        rows = torch.cat(self.rows)
        save_file({"x": rows[:count].contiguous()}, self.folder / f"{part}-{self.shard:05d}.safetensors")
        self.rows, self.waiting = [rows[count:]], len(rows) - count
        self.shard += 1


def files(folder: Path, part: str) -> list[Path]:
    """The shards of a part, in row order; `folder` holds the `part{p}` folders of one layer.

    Raises UserError where there is none.
    """
    found = sorted(Path(folder).glob(f"part*/{part}-*.safetensors"), key=lambda f: (len(f.parent.name), f))  # part9, part10
    if not found:
        raise UserError(f"{folder}: no shards of the {part} documents; delete the folder and rerun")
    return found


@contextmanager
def _opened(file: Path):
    try:
        with safe_open(file, framework="pt") as shard:
            yield shard
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: cannot be read ({error}); delete its folder and rerun") from error


def read(file: Path) -> Tensor:
    """The rows `[tokens, d]` of one shard, in their stored dtype."""
    with _opened(file) as shard:
        return shard.get_tensor("x")


def shape(file: Path) -> tuple[int, int]:
    """(tokens, d) of a shard, from its header alone."""
    with _opened(file) as shard:
        return tuple(shard.get_slice("x").get_shape())


def buffers(folder: Path, part: str, rng: torch.Generator | None, device: str | torch.device = "cpu") -> Iterator[Tensor]:
    """One epoch of float32 rows `[n, d]`: `BUFFER` shards at a time, in an order drawn from `rng` (None: row order)."""
    found = files(folder, part)
    order = range(len(found)) if rng is None else torch.randperm(len(found), generator=rng).tolist()
    for start in range(0, len(found), BUFFER):
        yield torch.cat([read(found[i]) for i in order[start : start + BUFFER]]).to(device, torch.float32)
