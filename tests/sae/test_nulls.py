"""MMCS without features. DESIGN.md: at d = 128, 128 against 256 rows, 0.25 when isotropic, 0.84 when it is not."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from rewardscope.sae import nulls

RECIPE = {"tied": True, "l1_on": "activations", "epochs": 2, "learning_rate": 0.003, "frozen_decoder": False, "precision": "float32"}


def moments(deviations: np.ndarray, tokens: int = 1000) -> dict[str, torch.Tensor]:
    """Axes with these standard deviations, about a mean that dictionary rows must not get."""
    covariance = torch.diag(torch.tensor(deviations**2, dtype=torch.float32))
    return {"mean": torch.full((len(deviations),), 3.0), "covariance": covariance, "tokens": torch.tensor(tokens)}


AXES = np.arange(1.0, 129.0)
DECAYS = {"isotropic": AXES**0, "variances 1/i": AXES**-0.5, "deviations 1/i": AXES**-1}


def simulated(deviations: np.ndarray, draws: int) -> tuple[list[float], list[float]]:
    """MMCS and best cosine of the same rows drawn by NumPy."""
    rng, means, bests = np.random.default_rng(0), [], []
    for _ in range(draws):
        a, b = (rng.normal(size=(n, 128)) * deviations for n in (128, 256))
        cosines = (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
        means.append(cosines.max(axis=1).mean())
        bests.append(cosines.max())
    return means, bests


@pytest.mark.parametrize(("decay", "mmcs", "best"), [("isotropic", 0.25, 0.35), ("variances 1/i", 0.48, 0.72), ("deviations 1/i", 0.84, 0.97)])
def test_random_rows_against_a_simulation(decay, mmcs, best):
    table = nulls.random_rows(moments(DECAYS[decay]), (128, 256), draws=20, top_k=30, seed=1)
    first = table["cosines"].map(lambda c: c[0])
    for ours, theirs in ((table["mmcs"], simulated(DECAYS[decay], 20)[0]), (first, simulated(DECAYS[decay], 20)[1])):
        error = np.sqrt((ours.var() + np.var(theirs, ddof=1)) / 20)  # of the difference of two means of 20
        assert abs(ours.mean() - np.mean(theirs)) < 4 * error
    assert table["mmcs"].mean() == pytest.approx(mmcs, abs=0.01)
    assert first.mean() == pytest.approx(best, abs=0.015)


def test_a_row_a_draw():
    table = nulls.random_rows(moments(AXES[:6]), (5, 9), draws=3, top_k=4, seed=1)
    assert table.columns.tolist() == ["kind", "draw", "mmcs", "mmcs_top_k", "cosines"]
    assert table["kind"].tolist() == ["covariance"] * 3 and table["draw"].tolist() == [0, 1, 2]
    assert table["mmcs"].nunique() == 3
    for line in table.itertuples():
        assert len(line.cosines) == 4 and (np.diff(line.cosines) <= 0).all()
        assert line.mmcs_top_k == pytest.approx(np.mean(line.cosines))
        assert line.mmcs < line.mmcs_top_k


def test_row_by_hand():
    small, large = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 4.0], [1.0, 0.0]])
    line = nulls.row("x", 7, small, large, top_k=1)
    assert line.pop("cosines").tolist() == pytest.approx([1.0])
    assert line == {"kind": "x", "draw": 7, "mmcs": pytest.approx(0.9), "mmcs_top_k": pytest.approx(1.0)}


def test_random_rows_are_what_their_seed_says():
    a, b, c = (nulls.random_rows(moments(AXES[:6]), (5, 9), 2, 4, seed) for seed in (1, 1, 100))
    pd.testing.assert_frame_equal(a, b)
    assert not set(a["mmcs"]) & set(c["mmcs"])


@pytest.mark.parametrize("sizes", [(0, 9), (5, 0)])
def test_no_living_feature_gives_no_number(sizes):
    table = nulls.random_rows(moments(AXES[:6]), sizes, 2, 4, seed=1)
    assert table["kind"].tolist() == ["covariance"]
    assert table[["mmcs", "mmcs_top_k"]].isna().all(axis=None) and len(table["cosines"][0]) == 0


def gaussian_pair(seeds=(1, 2), data_seed: int = 3, min_fires: int = 20) -> pd.DataFrame:
    source = moments(np.array([2.0, 1.5, 1.0, 1.0, 0.5, 0.5]))
    return nulls.gaussian_pair(source, [6, 12], RECIPE, 0.001, 64, 3, min_fires, 500, list(seeds), data_seed, "cpu")


def test_gaussian_pair():
    line = gaussian_pair().iloc[0]
    assert (line["kind"], line["draw"]) == ("gaussian", 0)
    assert len(line["cosines"]) == 3 and (np.diff(line["cosines"]) <= 0).all()
    assert line["mmcs_top_k"] == pytest.approx(np.mean(line["cosines"]))
    assert 0 < line["mmcs"] < line["mmcs_top_k"] < 1


def test_gaussian_pair_is_what_its_seeds_say():
    pd.testing.assert_frame_equal(gaussian_pair(), gaussian_pair())
    first = gaussian_pair()["mmcs"][0]
    assert first not in (gaussian_pair(seeds=(1, 9))["mmcs"][0], gaussian_pair(data_seed=9)["mmcs"][0])


def test_gaussian_pair_without_living_features():
    table = gaussian_pair(min_fires=501)  # of 500 held vectors
    assert table["mmcs"].isna().all() and len(table["cosines"][0]) == 0


def test_a_feature_that_fires_just_often_enough_lives(monkeypatch):
    """Of each dictionary the first feature, at cosine 0.6; the second fires once too little."""
    trained = iter([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.0, 1.0]]])
    monkeypatch.setattr(nulls.train, "train", lambda *_: (SimpleNamespace(w_dec=torch.tensor([next(trained)])), []))
    monkeypatch.setattr(nulls.train, "evaluate", lambda *_: ([], torch.tensor([[20, 19]])))
    assert gaussian_pair(min_fires=20)["mmcs"][0] == pytest.approx(0.6)


def test_gaussian_pair_trains_on_fit_vectors_and_ranks_by_others(monkeypatch):
    """The same vectors in every epoch and for both widths, none of them among the held; MMCS of what lives there."""
    fit, held, living, train, evaluate = [], [], [], nulls.train.train, nulls.train.evaluate

    def spy_train(source, *rest):
        fit.extend(torch.cat(list(source(epoch))) for epoch in (0, 1))
        return train(source, *rest)

    def spy_evaluate(model, buffers):
        held.append(torch.cat(list(buffers())))
        fires = (held[-1] @ model.w_enc[0].T + model.b_enc[0] > 0).sum(dim=0)
        living.append(model.w_dec[0][fires >= 150].numpy())
        return evaluate(model, buffers)

    monkeypatch.setattr(nulls.train, "train", spy_train)
    monkeypatch.setattr(nulls.train, "evaluate", spy_evaluate)
    table = gaussian_pair(min_fires=150)
    assert [x.shape for x in fit] == [(1000, 6)] * 4 and [x.shape for x in held] == [(500, 6)] * 2
    assert all(torch.equal(x, fit[0]) for x in fit) and torch.equal(held[0], held[1])
    assert not torch.isin(held[0][:, 0], fit[0][:, 0]).any()
    assert 0 < len(living[0]) < 6 and 0 < len(living[1]) < 12
    assert table["mmcs"][0] == pytest.approx((living[0] @ living[1].T).max(axis=1).mean(), rel=1e-5)


def test_nulls_go_through_parquet(tmp_path):
    both = pd.concat([nulls.random_rows(moments(AXES[:6]), (0, 9), 2, 4, seed=1), gaussian_pair()], ignore_index=True)
    both.to_parquet(tmp_path / "null.parquet", index=False)
    back = pd.read_parquet(tmp_path / "null.parquet")
    assert back["kind"].tolist() == ["covariance", "gaussian"]
    assert back["cosines"].map(len).tolist() == [0, 3]
