"""Activation shards: safetensors files of `[tokens, d_model]` rows, one part (`fit` or `held`) a file."""
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rewardscope import checksums
from rewardscope.errors import UserError
from rewardscope.files import checksum, whole

BUFFER = 4  # shards mixed at a time: what bounds memory, whatever the corpus


class Writer:
    """Collects rows of one layer and writes a shard whenever `shard_tokens` of one part are there.

    `sums` (file name -> SHA-256 of the finished shards) and `rows` (those that wait) are all its state: a writer
    made from them goes on where another one stood. `first` is the number in the name of the first shard.
    """

    def __init__(self, folder: Path, shard_tokens: int, sums: dict[str, str] | None = None, rows: Tensor | None = None, first: int = 0):
        self.folder, self.shard_tokens, self.first = folder, shard_tokens, first
        self.sums = {} if sums is None else dict(sums)
        self.rows = [] if rows is None else [rows]
        self.waiting = sum(map(len, self.rows))
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, rows: Tensor, part: str) -> bool:
        """Append rows `[n, d]` of `part`; says whether a shard was finished."""
        before = len(self.sums)
        self.rows.append(rows)
        self.waiting += len(rows)
        while self.waiting >= self.shard_tokens:
            self._write(part, self.shard_tokens)
        return len(self.sums) > before

    def flush(self, part: str) -> None:
        """End the part: what is left becomes a last, smaller shard."""
        if self.waiting:
            self._write(part, self.waiting)

    def close(self) -> None:
        """Every shard is there: write their checksums, by which they are found and checked."""
        checksums.write(self.folder, self.sums)

    def _write(self, part: str, count: int) -> None:
        rows = torch.cat(self.rows)
        name = f"{part}-{self.first + len(self.sums):05d}.safetensors"
        with whole(self.folder / name) as file:
            save_file({"x": rows[:count].contiguous()}, file)
        self.sums[name] = checksum(self.folder / name)
        self.rows, self.waiting = [rows[count:]], len(rows) - count


def files(folder: Path, part: str) -> list[Path]:
    """The shards of a part, in row order; `folder` holds the `part{p}` folders of one layer.

    They are those that `checksums.json` names: one that is missing is missed when it is read. Raises UserError where
    there is none.
    """
    parts = sorted((file.parent for file in Path(folder).glob(f"part*/{checksums.NAME}")), key=lambda p: (len(p.name), p))  # part9, part10
    found = [parent / name for parent in parts for name in checksums.recorded(parent) if name.startswith(f"{part}-")]
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
    """The rows `[tokens, d]` of one shard, in their stored dtype, once its checksum is known to hold."""
    with _opened(checksums.intact(file)) as shard:
        return shard.get_tensor("x")


def shape(file: Path) -> tuple[int, int]:
    """(tokens, d) of a shard, from its header alone."""
    with _opened(file) as shard:
        return tuple(shard.get_slice("x").get_shape())


def buffers(folder: Path, part: str, rng: torch.Generator | None, device: str | torch.device = "cpu") -> Iterator[Tensor]:
    """One epoch of float32 rows `[n, d]`: `BUFFER` shards at a time, in an order drawn from `rng` (None: row order).

    Every buffer lies where the one before it lay, so that memory does not depend on how many there are: keep a copy of
    what you need of one after the next is asked for.
    """
    found = files(folder, part)
    order = range(len(found)) if rng is None else torch.randperm(len(found), generator=rng).tolist()
    tokens, d = shape(found[0])  # no other is larger
    room = torch.empty(min(BUFFER, len(found)) * tokens, d, device=device)
    for start in range(0, len(found), BUFFER):
        filled = 0
        for i in order[start : start + BUFFER]:
            rows = read(found[i])
            room[filled : filled + len(rows)] = rows
            filled += len(rows)
        yield room[:filled]
