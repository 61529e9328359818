"""Picks: names known before the run, layers after it."""

import json

import pandas as pd
import pytest

from rewardscope.activations.picks import pick, pinned, read
from rewardscope.errors import UserError


def table(*sums: float) -> pd.DataFrame:
    """Layers with these sums, each over two tensors, rows in a mixed order."""
    rows = [(layer, name, part * total) for name, part in (("w", 0.75), ("b", 0.25)) for layer, total in enumerate(sums)]
    return pd.DataFrame(rows, columns=["layer", "tensor", "distance"])


def test_top_is_by_divergence_and_low_by_depth():
    found = pick(table(1.0, 4.0, 2.0, 8.0), ["top1", "top2", "low1", "low2", "layer2"])
    assert found == {"top1": 3, "top2": 1, "low1": 0, "low2": 1, "layer2": 2}  # layer 1 is both
    assert all(type(layer) is int for layer in found.values())  # they are written as JSON


def test_a_layer_is_the_sum_of_its_tensors():
    rows = pd.DataFrame({"layer": [0, 1, 1, 1], "tensor": list("abcd"), "distance": [5.0, 2.0, 2.0, 2.0]})
    assert pick(rows, ["top1"]) == {"top1": 1}  # 6 against 5, though no tensor of it moved as far


def test_ties_go_to_the_lower_layer():
    names = [f"top{n}" for n in range(1, 13)]
    assert list(pick(table(*[1.0] * 12), names).values()) == list(range(12))
    assert pick(table(2.0, 3.0, 2.0, 3.0), ["top1", "top2", "top3", "top4"]) == {"top1": 1, "top2": 3, "top3": 0, "top4": 2}


def test_tenth_layer():
    assert pick(table(*range(12)), ["top10", "low11", "layer11"]) == {"top10": 2, "low11": 10, "layer11": 11}


@pytest.mark.parametrize("name", ["top4", "low4", "layer3", "top100"])
def test_too_many(name):
    with pytest.raises(UserError, match=f"^pick {name}: the model has 3 layers$"):
        pick(table(1.0, 2.0, 3.0), ["top1", name])


def test_top_and_low_together():
    names = ["top1", "top2", "low1"]
    assert pick(table(1.0, 2.0, 3.0), names) == {"top1": 2, "top2": 1, "low1": 0}
    with pytest.raises(UserError, match="^picks top1, top2, low1 are more than the 2 layers of the model; lower picks.top or picks.low$"):
        pick(table(1.0, 2.0), names)


def test_pinned():
    assert pinned(["layer0", "layer12"]) == {"layer0": 0, "layer12": 12}


def test_read(tmp_path):
    chosen = {"pairs/a/r/run1": {"top1": 3, "top2": 0}, "pairs/a/r/run2": {"top1": 1, "top2": 2}}
    files = [tmp_path / f"{i}.json" for i in range(2)]
    for file, picks in zip(files, chosen.values(), strict=True):
        file.write_text(json.dumps(picks))
    assert read(list(chosen), files) == chosen
    with pytest.raises(ValueError):
        read(list(chosen), files[:1])
