"""States of unfinished work: what comes back, bit for bit, and what is passed over."""

import math
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file

from rewardscope import states

VALUES = [0.1, 1 / 3, 5e-324, -0.0, math.inf, torch.tensor(0.1).item()]


def save(work, done: int):
    return states.save(work, done, {"x": torch.arange(done, dtype=torch.float64) / 3, "flags": torch.tensor([1], dtype=torch.uint8)}, rows=VALUES)


def test_the_newest_state_comes_back(tmp_path):
    assert states.latest(tmp_path) is None and states.latest(tmp_path / "nowhere") is None
    for done in (1, 2, 10):
        saved = save(tmp_path, done)
    found = states.latest(tmp_path)
    assert found == saved and found.facts == {"done": 10, "rows": VALUES} and math.copysign(1, found.facts["rows"][3]) == -1
    tensors = load_file(found.tensors)
    assert torch.equal(tensors["x"], torch.arange(10, dtype=torch.float64) / 3) and tensors["flags"].dtype == torch.uint8


def test_two_are_kept(tmp_path):
    for done in range(5):
        save(tmp_path, done)
    assert sorted(os.listdir(tmp_path)) == ["state00000003", "state00000004"]


@pytest.mark.parametrize("name", ["facts.json", "tensors.safetensors", "checksums.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_state_is_named_and_the_one_before_it_serves(tmp_path, name, damage, caplog):
    save(tmp_path, 1)
    file = save(tmp_path, 2).tensors.with_name(name)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data[:-1] if damage == "cut" else data)
    if damage == "gone":
        file.unlink()
    assert states.latest(tmp_path).facts["done"] == 1
    assert f"is not resumed from {file.parent}" in caplog.text
    shutil.rmtree(tmp_path / "state00000001")
    assert states.latest(tmp_path) is None


def test_a_killed_save_is_nothing(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(states.checksums, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, 2)
    (tmp_path / ".state00000002.partial").mkdir()  # as kill -9 would leave it
    assert states.latest(tmp_path).facts["done"] == 1


def test_adam_goes_on(tmp_path):
    def optimizer():
        parameters = [torch.ones(3, 2), torch.full((4,), 2.0)]
        return parameters, torch.optim.Adam(parameters, lr=0.1, fused=True)

    def step(parameters, adam, n):
        for p in parameters:
            p.grad = torch.sin(p * n)
        adam.step()

    undisturbed, adam = optimizer()
    for n in range(1, 7):
        step(undisturbed, adam, n)
    first, adam = optimizer()
    for n in range(1, 4):
        step(first, adam, n)
    file = states.save(tmp_path, 3, {**states.of(adam), "p0": first[0], "p1": first[1]}).tensors
    second, adam = optimizer()
    tensors = load_file(file)
    for i, p in enumerate(second):
        p.copy_(tensors[f"p{i}"])
    states.restore_(adam, tensors)
    for n in range(4, 7):
        step(second, adam, n)
    assert all(torch.equal(a, b) for a, b in zip(undisturbed, second, strict=True))


@pytest.mark.parametrize("text", ["[]", "{}"])
def test_facts_of_another_form_are_passed_over(tmp_path, text, caplog):
    save(tmp_path, 1)
    facts = save(tmp_path, 2).tensors.with_name("facts.json")
    facts.write_text(text)
    states.checksums.write(facts.parent)
    assert states.latest(tmp_path).facts["done"] == 1 and f"is not resumed from {facts}: " in caplog.text
