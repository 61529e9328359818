"""Shards: every row comes back, in order, and a broken file is named."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rewardscope.activations import shards
from rewardscope.errors import UserError

SIZE, D = 10, 3


def numbered(start: int, count: int, dtype=torch.float32) -> Tensor:
    """Rows that carry their number, which every dtype holds exactly."""
    return torch.arange(start, start + count, dtype=dtype)[:, None].expand(-1, D)


def write(folder, pieces: dict[str, list[int]], dtype=torch.float32) -> None:
    """A split of a layer: for each part, pieces of so many rows, numbered on through both parts."""
    writer, start = shards.Writer(folder, SIZE), 0
    for part, sizes in pieces.items():
        for size in sizes:
            writer.add(numbered(start, size, dtype), part)
            start += size
        writer.flush(part)
    writer.close()


@pytest.fixture
def layer(tmp_path):
    """47 rows: fit 0..34 in pieces that are no multiple of a shard, held 35..46."""
    write(tmp_path / "part0", {"fit": [7, 25, 3], "held": [12]})
    return tmp_path


def values(buffers) -> list[int]:
    return [int(row[0]) for buffer in buffers for row in buffer]


def test_rows_come_back_in_order(layer):
    assert values(shards.buffers(layer, "fit", None)) == list(range(35))
    assert values(shards.buffers(layer, "held", None)) == list(range(35, 47))


def test_shards_are_full_but_the_last_and_hold_one_part(layer):
    content = {file.name: load_file(file)["x"][:, 0].int().tolist() for file in (layer / "part0").glob("*.safetensors")}
    assert content == {
        "fit-00000.safetensors": list(range(10)),
        "fit-00001.safetensors": list(range(10, 20)),
        "fit-00002.safetensors": list(range(20, 30)),
        "fit-00003.safetensors": list(range(30, 35)),
        "held-00004.safetensors": list(range(35, 45)),
        "held-00005.safetensors": [45, 46],
    }


def test_full_shards_leave_nothing_to_flush(tmp_path):
    write(tmp_path / "part0", {"fit": [25, 15]})
    assert [shards.shape(file) for file in shards.files(tmp_path, "fit")] == [(10, D)] * 4


def test_shape_is_that_of_the_rows(layer):
    assert [shards.shape(file) for file in shards.files(layer, "fit")] == [(10, D)] * 3 + [(5, D)]


def test_parts_of_a_split_extraction_follow_in_number(tmp_path):
    for p in range(12):  # part10 comes after part9, not after part1
        writer = shards.Writer(tmp_path / f"part{p}", SIZE)
        writer.add(numbered(p, 1), "fit")
        writer.flush("fit")
        writer.close()
    assert values(shards.buffers(tmp_path, "fit", None)) == list(range(12))


def test_a_writer_goes_on_where_another_stood(layer, tmp_path):
    first = shards.Writer(tmp_path / "again" / "part0", SIZE)
    assert [first.add(numbered(0, 7), "fit"), first.add(numbered(7, 25), "fit")] == [False, True]
    first.write(first.take())
    second = shards.Writer(first.folder, SIZE, first.sums, torch.cat(first.rows))
    second.add(numbered(32, 3), "fit")
    second.flush("fit")
    second.add(numbered(35, 12), "held")
    second.flush("held")
    second.close()
    ours, theirs = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in (second.folder, layer / "part0"))
    assert ours == theirs and len(ours) == 7


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_rows_are_stored_narrow_and_buffered_wide(tmp_path, dtype):
    write(tmp_path / "part0", {"fit": [14]}, dtype)
    assert [shards.read(file).dtype for file in shards.files(tmp_path, "fit")] == [dtype] * 2
    [buffer] = shards.buffers(tmp_path, "fit", None)
    assert buffer.dtype == torch.float32 and torch.equal(buffer, numbered(0, 14))


def order(folder, seed: int) -> list[int]:
    """Numbers of the shards in the order of an epoch; each shard must be whole and in row order."""
    seen = values(shards.buffers(folder, "fit", torch.Generator().manual_seed(seed)))
    chunks = [seen[i : i + SIZE] for i in range(0, len(seen), SIZE)]
    assert all(chunk == list(range(chunk[0], chunk[0] + SIZE)) for chunk in chunks)
    return [chunk[0] // SIZE for chunk in chunks]


def test_a_generator_permutes_shards(tmp_path):
    write(tmp_path / "part0", {"fit": [9 * SIZE], "held": [5]})
    first = order(tmp_path, 1)
    assert sorted(first) == list(range(9)) != first
    assert order(tmp_path, 1) == first != order(tmp_path, 2)


def test_one_generator_gives_every_epoch_its_order(tmp_path):
    write(tmp_path / "part0", {"fit": [9 * SIZE]})
    rng = torch.Generator().manual_seed(1)
    epochs = [values(shards.buffers(tmp_path, "fit", rng)) for _ in range(2)]
    assert epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1])


def test_every_epoch_has_the_seed_that_is_derived_for_it(tmp_path):
    write(tmp_path / "part0", {"fit": [9 * SIZE], "held": [5]})
    source = shards.shuffled(tmp_path, lambda epoch: 7 + epoch)
    for epoch in (1, 0, 1):
        by_hand = torch.randperm(9, generator=torch.Generator().manual_seed(7 + epoch)).tolist()
        assert values(source(epoch)) == [SIZE * shard + row for shard in by_hand for row in range(SIZE)]


def test_a_buffer_mixes_few_shards(tmp_path):
    write(tmp_path / "part0", {"fit": [9 * SIZE]})
    whole = shards.BUFFER * SIZE
    assert [len(buffer) for buffer in shards.buffers(tmp_path, "fit", None)] == [whole, whole, 9 * SIZE - 2 * whole]


def test_rows_are_added_while_full_shards_are_written(tmp_path):
    """The rows that a writer was given after `take` are not among those that it writes."""
    writer = shards.Writer(tmp_path, SIZE)
    writer.add(numbered(0, 12), "fit")
    full = writer.take()
    assert writer.add(numbered(12, 9), "fit") and [name for name, _ in full] == ["fit-00000.safetensors"]
    writer.write(full)
    assert list(writer.sums) == ["fit-00000.safetensors"] and not (tmp_path / "fit-00001.safetensors").exists()


def test_no_shards_of_a_part(tmp_path):
    write(tmp_path / "part0", {"fit": [12]})
    with pytest.raises(UserError, match="no shards of the held documents") as error:
        shards.files(tmp_path, "held")
    assert str(tmp_path) in str(error.value)


def test_no_folder(tmp_path):
    with pytest.raises(UserError, match="no shards of the fit documents"):
        next(shards.buffers(tmp_path / "nowhere", "fit", None))


@pytest.mark.parametrize("kept", [0, 4, 60, -1], ids=["empty", "in the length", "in the header", "one byte short"])
@pytest.mark.parametrize("reader", [shards.read, shards.shape])
def test_a_truncated_shard_is_named(layer, reader, kept):
    file = shards.files(layer, "fit")[1]
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError) as error:
        reader(file)
    assert str(file) in str(error.value) and "delete its folder" in str(error.value)


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def flip(file):
    """One bit of the last number: still a readable shard."""
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


DAMAGES = [("cut", cut, "damaged"), ("flipped", flip, "damaged"), ("gone", lambda file: file.unlink(), "No such file")]


@pytest.mark.parametrize(("damage", "said"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES])
def test_an_epoch_ends_at_a_damaged_shard(layer, damage, said):
    file = shards.files(layer, "fit")[1]
    assert len(values(shards.buffers(layer, "fit", None))) == 35  # read whole once: a later epoch must notice too
    damage(file)
    with pytest.raises(UserError, match=said) as error:
        list(shards.buffers(layer, "fit", None))
    assert str(file) in str(error.value) and "delete its folder and rerun" in str(error.value)


def test_a_stray_shard_is_not_read(layer):
    save_file({"x": numbered(99, 3).contiguous()}, layer / "part0" / "fit-00009.safetensors")
    assert values(shards.buffers(layer, "fit", None)) == list(range(35))


def test_shards_without_a_record_are_not_read(layer):
    (layer / "part0" / "checksums.json").unlink()
    with pytest.raises(UserError, match="no shards of the fit documents"):
        shards.files(layer, "fit")
    (layer / "part0" / "checksums.json").write_text("{")
    with pytest.raises(UserError, match="checksums.json: cannot be read"):
        shards.files(layer, "fit")
