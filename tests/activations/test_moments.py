"""Streamed moments against NumPy, and the Gaussian that shares them."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rewardscope.activations import moments

MEAN = torch.tensor([3.0, 0.0, -1.0])
COVARIANCE = torch.tensor([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.3]])


def error(stream: moments.Moments, rows: np.ndarray) -> float:
    """The covariance's largest, of the product of two columns' deviations."""
    exact = np.cov(rows.astype(np.float64), rowvar=False, bias=True)
    deviation = np.sqrt(np.diag(exact))
    return float(np.abs((stream.result()["covariance"].numpy() - exact) / np.outer(deviation, deviation)).max())


@pytest.fixture
def rows() -> np.ndarray:
    """Correlated and far from zero, where a float32 sum of squares would lose the variance."""
    rng = np.random.default_rng(3)
    return (1000 + rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4))).astype(np.float32)


def test_moments_of_chunks_against_numpy(rows):
    stream = moments.Moments(4, "cpu")
    for chunk in np.split(rows, [1, 130, 400]):
        stream.add(torch.from_numpy(chunk), documents=2)
    result = stream.result()
    exact = rows.astype(np.float64)
    assert int(result["tokens"]) == 500 and int(result["documents"]) == 8
    np.testing.assert_allclose(result["mean"], exact.mean(axis=0), rtol=1e-6)
    assert error(stream, rows) < 2e-6


@pytest.mark.parametrize("far", [0.0, 1.0, 300.0])  # from zero, in spreads
def test_float32_products_against_float64(far):
    """Batches of extraction's size whose columns' spreads differ by a factor of 1000, and whose mean drifts; none and one row among them."""
    rng = np.random.default_rng(1)
    spread = np.geomspace(0.01, 10, 24)
    batches = [((rng.normal(size=(n, 24)) @ (np.eye(24) + 0.3) + far + n / 3000) * spread).astype(np.float32) for n in (2048, 1, 0, 3000, 1500)]
    stream = moments.Moments(24, "cpu")
    for batch in batches:
        stream.add(torch.from_numpy(batch), 1)
    whole = np.concatenate(batches)
    assert error(stream, whole) < 2e-6
    np.testing.assert_allclose(stream.result()["mean"], whole.mean(axis=0, dtype=np.float64), rtol=1e-6, atol=1e-6)


def test_moments_of_narrow_rows_are_not_narrow(rows):
    narrow = torch.from_numpy(rows).bfloat16()
    stream = moments.Moments(4, "cpu")
    stream.add(narrow, 1)
    # Three values a column, whose products round alike: at worst a rounding a row, 500 x 2^-24; in bfloat16 it would be 0.004 and more.
    assert error(stream, narrow.double().numpy()) < 3e-5


def test_saved_moments_come_back(tmp_path, rows):
    stream = moments.Moments(4, "cpu")
    stream.add(torch.from_numpy(rows), 1)
    moments.save(stream.result(), tmp_path / "m.safetensors")
    back = load_file(tmp_path / "m.safetensors")
    assert set(back) == {"mean", "covariance", "tokens", "documents"}
    assert all(torch.equal(back[name], value) for name, value in stream.result().items())


def draw(covariance, tokens: int, seed: int, chunk: int = 65536) -> np.ndarray:
    rng = torch.Generator().manual_seed(seed)
    chunks = list(moments.gaussian({"mean": MEAN, "covariance": covariance}, tokens, rng, chunk))
    assert [len(c) for c in chunks] == [chunk] * (tokens // chunk) + [tokens % chunk] * (tokens % chunk > 0)
    return torch.cat(chunks).numpy()


def test_gaussian_has_the_moments():
    n = 150_000
    x = draw(COVARIANCE, n, seed=1)
    variance = np.diag(COVARIANCE)
    # Four standard errors: of a mean sqrt(C_ii / n), of a covariance sqrt((C_ii C_jj + C_ij^2) / n).
    assert (np.abs(x.mean(axis=0) - MEAN.numpy()) < 4 * np.sqrt(variance / n)).all()
    error = np.sqrt((np.outer(variance, variance) + COVARIANCE.numpy() ** 2) / n)
    assert (np.abs(np.cov(x, rowvar=False, bias=True) - COVARIANCE.numpy()) < 4 * error).all()
    kurtosis = (((x - x.mean(axis=0)) / x.std(axis=0)) ** 4).mean(axis=0)
    assert (np.abs(kurtosis - 3) < 4 * np.sqrt(24 / n)).all()  # a Gaussian's, and its standard error


def test_gaussian_of_a_singular_covariance_stays_in_its_span():
    direction = torch.tensor([1.0, 2.0, -2.0]) / 3
    x = draw(4 * torch.outer(direction, direction), 1000, seed=2) - MEAN.numpy()
    along = x @ direction.numpy()
    np.testing.assert_allclose(x, np.outer(along, direction), atol=4e-3)  # float32 leaves eigenvalues near 4 x 1e-7, deviations of 6e-4
    assert abs(along.std() - 2) < 4 * 2 / np.sqrt(2 * 1000)


def test_gaussian_is_what_its_seed_says():
    a, b, c = (draw(COVARIANCE, 1000, seed, chunk=300) for seed in (5, 5, 6))
    assert np.array_equal(a, b)
    assert not np.isclose(a, c).all(axis=1).any()
    assert len(np.unique(a, axis=0)) == 1000  # chunks go on, they do not start again


# ---- rows without features ---------------------------------------------------------------------
def test_random_rows_have_the_covariance_and_no_mean():
    n = 150_000
    x = moments.random_rows({"mean": MEAN, "covariance": COVARIANCE}, n, 1).numpy()
    variance = np.diag(COVARIANCE)
    assert x.shape == (n, 3) and (np.abs(x.mean(axis=0)) < 4 * np.sqrt(variance / n)).all()
    error = np.sqrt((np.outer(variance, variance) + COVARIANCE.numpy() ** 2) / n)
    assert (np.abs(np.cov(x, rowvar=False, bias=True) - COVARIANCE.numpy()) < 4 * error).all()


def test_random_rows_are_what_their_seed_says():
    own = {"mean": MEAN.clone(), "covariance": COVARIANCE}
    a, b, c = (moments.random_rows(own, 70_000, seed).numpy() for seed in (5, 5, 6))
    assert np.array_equal(a, b) and not np.isclose(a, c).all(axis=1).any()
    assert len(np.unique(a, axis=0)) == 70_000  # more than a chunk
    np.testing.assert_allclose(a + MEAN.numpy(), draw(COVARIANCE, 70_000, seed=5), atol=1e-5)
    assert torch.equal(own["mean"], MEAN)


def test_no_random_rows():
    assert moments.random_rows({"mean": MEAN, "covariance": COVARIANCE}, 0, 1).shape == (0, 3)
