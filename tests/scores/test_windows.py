"""Windows of held documents, and which of them a feature is scored on."""

import numpy as np
import pandas as pd
import pytest

from rewardscope.scores import windows
from rewardscope.scores.windows import Windows


def index(lengths: dict[int, int], held: set[int]) -> pd.DataFrame:
    """A token index: documents of so many rows, positions from 1; a token says where it is."""
    rows = [(d, "held" if d in held else "fit", p, 100 * d + p) for d, n in lengths.items() for p in range(1, n + 1)]
    frame = pd.DataFrame(rows, columns=["document", "part", "position", "token"])
    return frame.sample(frac=1, random_state=0)  # shards are in no such order


def test_cut():
    found = windows.cut(index({3: 5, 4: 9, 7: 2, 1: 4}, held={3, 7, 1}), 2)
    assert found.document.tolist() == [1, 1, 3, 3, 7]
    assert found.position.tolist() == [[1, 2], [3, 4], [1, 2], [3, 4], [1, 2]]
    assert (found.token == 100 * found.document[:, None] + found.position).all()
    assert windows.cut(index({1: 3}, held={1}), 4).token.shape == (0, 4)


def test_activations():
    held = windows.cut(index({1: 4, 3: 5, 7: 2}, held={1, 3, 7}), 2)
    fires = pd.DataFrame({"document": [3, 1, 3, 2, 7, 99], "position": [4, 1, 5, 1, 2, 1], "value": [2.0, 3, 4, 5, 6, 7]})
    values = windows.activations(held, fires)  # 3/5 is in the rest, 2 and 99 are other documents
    assert values.tolist() == [[3, 0], [0, 0], [0, 0], [0, 2], [0, 6]]
    assert not windows.activations(held, fires[:0]).any()
    assert windows.activations(windows.cut(index({1: 1}, held={1}), 2), fires).shape == (0, 2)


def made(count: int = 200, length: int = 4, seed: int = 1) -> tuple[Windows, np.ndarray]:
    """Windows of tokens 0 to 9 and a feature that fires on some of the 3s, more or less."""
    rng = np.random.default_rng(seed)
    token = rng.integers(10, size=(count, length))
    values = np.where((token == 3) & (rng.random(token.shape) < 0.5), rng.uniform(0.02, 1, token.shape), 0)
    return Windows(np.arange(count), np.tile(np.arange(length), (count, 1)), token), values


def test_for_simulation():
    _, values = made()
    chosen, peak = windows.for_simulation(values, 7, 5), values.max(axis=1)
    top, active, others = chosen.number[:7], chosen.number[7:14], chosen.number[14:]
    assert set(peak[top]) == set(np.sort(peak)[-7:])
    assert (peak[active] >= windows.FIRES).all() and len(others) == 7 and len(set(chosen.number)) == 21
    assert (chosen.fires == (peak[chosen.number] >= windows.FIRES)).all() and not chosen.hard.any()
    again, another = windows.for_simulation(values, 7, 5), windows.for_simulation(values, 7, 6)
    assert again.number.tolist() == chosen.number.tolist() != another.number.tolist()
    assert another.number[:7].tolist() == top.tolist()  # the seed moves the random ones alone
    assert len(windows.for_simulation(values[:10], 7, 5).number) == 10


@pytest.mark.parametrize("seed", range(5))
def test_hard_negatives_hold_the_token_and_do_not_fire(seed):
    held, values = made(seed=seed)
    chosen = windows.for_detection(values, held, 10, seed)
    peak, token = values.max(axis=1), held.token
    assert len(chosen.number) == len(set(chosen.number)) == 20
    assert chosen.fires.sum() == 10 and (peak[chosen.number[chosen.fires]] >= windows.FIRES).all()
    assert (peak[chosen.number[~chosen.fires]] < windows.FIRES).all()
    assert chosen.hard.sum() == 5 and not (chosen.hard & chosen.fires).any()
    assert len(set(chosen.fires[:10])) == 2  # their order does not tell
    assert all(3 in token[n] and values[n].max() < windows.FIRES for n in chosen.number[chosen.hard])


def test_a_feature_without_hard_negatives_gets_easy_ones():
    held, _ = made()
    values = (held.token == 3).astype(float)  # it fires on every 3
    chosen = windows.for_detection(values, held, 10, 1)
    assert (chosen.fires.sum(), (~chosen.fires).sum(), chosen.hard.sum()) == (10, 10, 0)


def test_a_feature_that_never_or_always_fires():
    held, values = made()
    for constant in (0 * values, 0 * values + 1):
        chosen = windows.for_detection(constant, held, 10, 1)
        assert len(chosen.number) == 10 and set(chosen.fires) == {constant.any()}
