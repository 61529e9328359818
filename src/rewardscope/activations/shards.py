"""Activation shards: safetensors files of `[tokens, d_model]` rows, one part (`fit` or `held`) a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rewardscope import checksums
from rewardscope.errors import UserError
from rewardscope.files import whole

BUFFER = 4  # shards mixed at a time: what bounds memory, whatever the corpus


class Writer:
    """Collects rows of one layer; whenever `shard_tokens` of one part are there, a shard is full and waits to be written.

    `sums` (file name -> SHA-256 of the written shards) and `rows` (those that fill none yet) are all its state once full shards
    are written: a writer made from them goes on where another one stood. `first` is the number in the name of the first shard.
    """

    def __init__(self, folder: Path, shard_tokens: int, sums: dict[str, str] | None = None, rows: Tensor | None = None, first: int = 0):
        self.folder, self.shard_tokens = folder, shard_tokens
        self.sums = {} if sums is None else dict(sums)
        self.rows = [] if rows is None else [rows]
        self.waiting = sum(map(len, self.rows))
        self.first, self.next = first, first + len(self.sums)
        self.full: list[tuple[str, Tensor]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, rows: Float[Tensor, "n d"], part: str) -> bool:
        """Append rows of `part`; says whether a shard got full."""
        self.rows.append(rows)
        self.waiting += len(rows)
        before = self.next
        while self.waiting >= self.shard_tokens:
            self._cut(part, self.shard_tokens)
        return self.next > before

    def flush(self, part: str) -> None:
        """End the part: what is left becomes a last, smaller shard."""
        if self.waiting:
            self._cut(part, self.waiting)

    def take(self) -> list[tuple[str, Tensor]]:
        """The full shards, for `write`."""
        full, self.full = self.full, []
        return full

    def write(self, full: list[tuple[str, Tensor]]) -> None:
        """Write shards that were taken; other threads may go on adding rows."""
        for name, rows in full:
            with whole(self.folder / name) as file:
                save_file({"x": rows.contiguous()}, file)
            self.sums[name] = checksums.checksum(self.folder / name)

    def close(self) -> None:
        """Write what is full, and the checksums, by which shards are found and checked."""
        self.write(self.take())
        checksums.write(self.folder, self.sums)

    def _cut(self, part: str, count: int) -> None:
        rows = torch.cat(self.rows)
        self.full.append((f"{part}-{self.next:05d}.safetensors", rows[:count]))
        self.next += 1
        self.rows, self.waiting = [rows[count:]], len(rows) - count


def files(folder: Path, part: str) -> list[Path]:
    """The shards of a part, in row order; `folder` holds the `part{p}` folders of one layer.

    They are those that `checksums.json` names: one that is missing is missed when it is read. Raises UserError where
    there is none.
    """
    parts = sorted((file.parent for file in Path(folder).glob(f"part*/{checksums.NAME}")), key=lambda p: (len(p.name), p))  # part9, part10
    paths = [parent / name for parent in parts for name in checksums.recorded(parent) if name.startswith(f"{part}-")]
    if not paths:
        raise UserError(f"{folder}: no shards of the {part} documents; delete the folder and rerun")
    return paths


@contextmanager
def _opened(file: Path):
    try:
        with safe_open(file, framework="pt") as shard:
            yield shard
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: cannot be read ({error}); delete its folder and rerun") from error


def read(file: Path) -> Float[Tensor, "tokens d"]:
    """The rows of one shard, in their stored dtype, once its checksum is known to hold."""
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
    paths = files(folder, part)
    order = range(len(paths)) if rng is None else torch.randperm(len(paths), generator=rng).tolist()
    tokens, d = shape(paths[0])  # no other is larger
    room = torch.empty(min(BUFFER, len(paths)) * tokens, d, device=device)
    for start in range(0, len(paths), BUFFER):
        filled = 0
        for i in order[start : start + BUFFER]:
            rows = read(paths[i])
            room[filled : filled + len(rows)] = rows
            filled += len(rows)
        yield room[:filled]


def shuffled(folder: Path, seed: Callable[[int], int], device: str | torch.device = "cpu") -> Callable[[int], Iterator[Tensor]]:
    """What a dictionary is trained on: epoch -> `buffers` of the `fit` rows, their shards in an order drawn from `seed(epoch)`."""
    return lambda epoch: buffers(folder, "fit", torch.Generator().manual_seed(seed(epoch)), device)
