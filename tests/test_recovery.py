"""The idea of it all: features known to be there are found in both dictionaries, and the nulls find nothing.

Activations are sparse sums of 24 known directions in 32 dimensions, plus a little noise. The small dictionary has
32 rows and the large one 64.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from rewardscope.activations.moments import Moments, gaussian
from rewardscope.sae import match, nulls, train
from rewardscope.sae import model as sae
from rewardscope.seeds import derive

D, TRUE, WIDTHS, TOKENS, HELD = 32, 24, (32, 64), 20_000, 4_000
RECIPE = {"tied": True, "l1_on": "activations", "epochs": 16, "learning_rate": 0.003, "frozen_decoder": False, "precision": "float32"}
L1, BATCH, MIN_FIRES, TOP_K = 0.01, 256, 20, 16


def dictionary(x: Tensor, held: Tensor, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of an SAE trained on `x`, and which of them are ranked."""
    model, _ = train.train(lambda _epoch: iter(x.split(5000)), D, width, RECIPE, L1, BATCH, [seed], "cpu")
    _, fires = train.evaluate(model, lambda: iter([held]))
    return model.w_dec[0].numpy(), fires[0].numpy() >= MIN_FIRES


@pytest.fixture(scope="module")
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.fixture(scope="module")
def true(rng) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(TRUE, D, generator=rng), dim=1)


@pytest.fixture(scope="module")
def activations(rng, true) -> Tensor:
    """Each direction is in a twentieth of the tokens, by 0.5 to 1.5."""
    n = TOKENS + HELD
    active = torch.rand(n, TRUE, generator=rng) < 0.05
    return active * (0.5 + torch.rand(n, TRUE, generator=rng)) @ true + 0.01 * torch.randn(n, D, generator=rng)


@pytest.fixture(scope="module")
def moments(activations) -> dict[str, Tensor]:
    stream = Moments(D, "cpu")
    stream.add(activations[:TOKENS], 1)
    return stream.result()


@pytest.fixture(scope="module")
def pair(activations):
    """(rows, ranked) of the small and of the large dictionary."""
    x, held = activations.split([TOKENS, HELD])
    return [dictionary(x, held, width, derive(1, "sae", width)) for width in WIDTHS]


@pytest.fixture(scope="module")
def table(pair):
    (small, small_ranked), (large, large_ranked) = pair
    return match.match(small, large, small_ranked, large_ranked)


def test_the_best_matched_features_are_true_ones(pair, table, true):
    top = table.head(TOP_K)
    for column, (rows, _) in zip(("small", "large"), pair, strict=True):
        cosines = match.cosines(rows[top[column].to_numpy(dtype=int)], true.numpy())
        assert (cosines.max(axis=1) > 0.9).all()
        assert len(set(cosines.argmax(axis=1))) == TOP_K  # each another one


def test_every_true_feature_is_in_both_dictionaries(pair, true):
    for rows, ranked in pair:
        assert (match.cosines(true.numpy(), rows[ranked]).max(axis=1) > 0.9).all()


def test_what_both_agree_on_is_true(pair, table, true):
    agreed = table[table["cosine"] > 0.95]
    cosines = match.cosines(pair[0][0][agreed["small"].to_numpy()], true.numpy())
    assert (cosines.max(axis=1) > 0.9).all() and len(set(cosines.argmax(axis=1))) == len(agreed) >= 20


def test_the_match_is_far_above_both_nulls(pair, table, moments):
    sizes = tuple(int(ranked.sum()) for _, ranked in pair)
    rows = nulls.random_rows(moments, sizes, 20, TOP_K, derive(1, "null rows"))
    seeds = [derive(1, "null sae", width) for width in WIDTHS]
    trained = nulls.gaussian_pair(moments, list(WIDTHS), RECIPE, L1, BATCH, TOP_K, MIN_FIRES, HELD, seeds, derive(1, "null data"), "cpu")
    ours = table["cosine"].head(TOP_K)
    assert ours.mean() > 0.98
    assert rows["mmcs_top_k"].max() < 0.75 and trained["mmcs_top_k"].max() < 0.85
    best = max(cosines[0] for cosines in (*rows["cosines"], *trained["cosines"]))
    assert ours.min() > best  # even the last of the top k is above the best of any null


def test_gaussian_vectors_of_these_moments_hold_no_true_feature(moments, true):
    """What was found is not in the mean and covariance."""
    rng = torch.Generator().manual_seed(derive(1, "gaussian"))
    x, held = (torch.cat(list(gaussian(moments, n, rng))) for n in (TOKENS, HELD))
    for width in WIDTHS:
        rows, ranked = dictionary(x, held, width, derive(1, "gaussian", width))
        assert ranked.sum() > 10
        cosines = match.cosines(true.numpy(), rows[ranked]).max(axis=1)
        assert (cosines > 0.9).mean() == 0 and cosines.mean() < 0.7


DEAD = np.ones(512, dtype=bool), np.ones(1024, dtype=bool)  # rows as drawn, offered for ranking


def test_the_trap_one_plain_seed_for_two_widths():
    """Why seeds are derived: untrained rows would top the ranking."""
    small, large = (sae.new(width, 64, [1], tied=True).w_enc[0].numpy() for width in (512, 1024))
    assert np.array_equal(small, large[:512])
    assert match.match(small, large, *DEAD)["cosine"].min() == pytest.approx(1)


def test_derived_seeds_of_two_widths_share_no_row():
    small, large = (sae.new(width, 64, [derive(1, "sae", "base", "top1", width, 1)], tied=True).w_enc[0].numpy() for width in (512, 1024))
    assert match.match(small, large, *DEAD)["cosine"].max() < 0.8  # the best of half a million random pairs
