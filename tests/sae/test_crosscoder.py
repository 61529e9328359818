"""Which features are one side's alone: by hand, planted, and where nothing was tuned."""

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from rewardscope.sae import crosscoder, train
from rewardscope.sae.model import SAE

D, FEATURES = 24, 16
RECIPE = {
    "k": 2,
    "nested": [],
    "dead_steps": 100,
    "frozen_decoder": False,
    "tied": False,
    "epochs": 12,
    "learning_rate": 0.005,
    "precision": "float32",
}


def sides(tokens: int, seed: int, new: float) -> tuple[Tensor, Tensor]:
    """Sparse sums of the same directions on both sides; on the tuned side one more, of size `new`, on a tenth of the tokens."""
    directions = normalize(torch.randn(FEATURES + 1, D, generator=torch.Generator().manual_seed(0)), dim=1)
    rng = torch.Generator().manual_seed(seed)
    f = (torch.rand(tokens, FEATURES + 1, generator=rng) < 0.1) * (1 + torch.rand(tokens, FEATURES + 1, generator=rng))
    noise = 0.02 * torch.randn(2, tokens, D, generator=rng)
    shared = f[:, :-1] @ directions[:-1]
    return shared + noise[0], shared + new * f[:, -1:] * directions[-1:] + noise[1]


def table_of(new: float, seed: int = 1):
    base, tuned = sides(6000, 2, new)
    held = torch.cat(sides(3000, 3, new), dim=1)
    source = crosscoder.side_by_side(lambda _epoch: iter(base.split(2000)), lambda _epoch: iter(tuned.split(2000)), 1.0)
    model, _ = train.train(source, 2 * D, 32, RECIPE, 0.0, 100, [seed], "cpu")
    return crosscoder.latents(model, lambda: iter([held]), 20), model


@pytest.mark.parametrize("seed", [1, 2])
def test_a_direction_that_tuning_added_is_found_first(seed):
    table, model = table_of(1.0, seed)
    first, alone = table.iloc[0], table[table["alone"] == "rlhf"]
    assert first["alone"] == "rlhf" and first["relative_norm"] > 0.95
    new = normalize(torch.randn(FEATURES + 1, D, generator=torch.Generator().manual_seed(0)), dim=1)[-1]
    row = normalize(model.w_dec[0, first["feature"], D:], dim=0)
    assert row @ new > 0.95
    assert len(alone) <= 2 and not (table["alone"] == "base").any()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_nothing_was_tuned_no_feature_is_one_sides(seed):
    table, _ = table_of(0.0, seed)
    assert set(table["alone"].dropna()) == {"both"}
    fired = table[table["fires"] >= 20]
    assert fired["relative_norm"].between(0.4, 0.6).all()


def by_hand(before: list[list[float]], after: list[list[float]]) -> SAE:
    """Features that read x_tuned's first and second number, with these decoder rows."""
    w_enc = torch.tensor([[[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]])
    w_dec = torch.cat([torch.tensor(before), torch.tensor(after)], dim=1)[None]
    return SAE(w_enc, torch.zeros(1, 2), w_dec, torch.zeros(1, 4), torch.zeros(1, 2))


def test_latent_scaling_by_hand():
    """Feature 0's decoder is the tuned side's alone, but the base's rows hold a half of it: its norm says alone, nu says no."""
    sae = by_hand([[0.0, 0.0], [0.0, 0.5]], [[1.0, 0.0], [0.0, 1.0]])
    f = torch.tensor([[1.0, 0.0], [2.0, 3.0], [0.0, 1.0]])
    x = torch.cat([f * torch.tensor([0.5, 0.5]), f], dim=1)
    table = crosscoder.latents(sae, lambda: iter([x[:2], x[2:]]), 1).set_index("feature")
    assert table["nu_error"].tolist() == pytest.approx([0.5, 0.5])
    assert table["nu_reconstruction"].tolist() == pytest.approx([0.0, 0.5])
    assert table["relative_norm"].tolist() == pytest.approx([1.0, 2 / 3])
    assert table["alone"].tolist() == ["both", "both"] and table["fires"].tolist() == [2, 2]


def test_norms_and_nu_are_of_the_rows_as_they_are_scaled():
    """The base's rows, of twice the size, hold both features at twice the size."""
    f = torch.tensor([[1.0, 0.0], [2.0, 3.0], [0.0, 1.0]])
    table = crosscoder.latents(by_hand([[2.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]), lambda: iter([torch.cat([2 * f, f], dim=1)]), 1)
    assert table[["nu_error", "nu_reconstruction"]].to_numpy() == pytest.approx(2.0) and table["relative_norm"].tolist() == pytest.approx([1 / 3] * 2)


def test_a_feature_that_others_give_on_the_base_side_is_not_alone():
    """Feature 1 fires with feature 0 and gives the base what feature 0 gives the tuned side (decoupled): nu on the reconstruction is 1."""
    sae = by_hand([[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]])
    f = torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    x = torch.cat([f[:, :1], torch.zeros(2, 1), f], dim=1)
    table = crosscoder.latents(sae, lambda: iter([x]), 1).set_index("feature")
    assert table.loc[0, ["nu_error", "nu_reconstruction"]].tolist() == pytest.approx([0.0, 1.0])
    assert table.loc[0, "alone"] == "both" and table.loc[1, "alone"] == "base"


def test_rare_features_are_neither():
    sae = by_hand([[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    x = torch.tensor([[0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
    assert crosscoder.latents(sae, lambda: iter([x]), 2).set_index("feature")["alone"].sort_index().isna().tolist() == [True, False]
    assert crosscoder.latents(sae, lambda: iter([x]), 1).set_index("feature")["alone"].sort_index().tolist() == ["rlhf", "both"]


def test_sides_count_alike():
    base, tuned = sides(500, 5, 1.0)
    factor = crosscoder.scale(lambda _: iter([0.1 * base]), lambda _: iter([tuned]))
    (rows,) = crosscoder.side_by_side(lambda _: iter([0.1 * base]), lambda _: iter([tuned]), factor)(0)
    assert rows[:, :D].square().mean().item() == pytest.approx(rows[:, D:].square().mean().item(), rel=1e-5)


def test_stored_each_side_has_tensors_of_its_own():
    _, model = table_of(1.0)
    stored = crosscoder.tensors(model, 2.0)
    assert torch.equal(stored["w_dec_base"], model.w_dec[0, :, :D]) and torch.equal(stored["w_dec_rlhf"], model.w_dec[0, :, D:])
    again, scale = crosscoder.from_tensors(stored)
    x = torch.cat(sides(50, 6, 1.0), dim=1)[None]
    assert (
        scale == 2.0 and torch.equal(again.encode(x), model.encode(x)) and torch.equal(again.decode(again.encode(x)), model.decode(model.encode(x)))
    )


def test_own_features_are_the_tuned_side_s_in_the_order_of_latents(monkeypatch):
    table = pd.DataFrame({"feature": [7, 3, 9, 1, 0, 2], "alone": ["rlhf", "both", "rlhf", "base", "rlhf", None]})
    assert crosscoder.tuned_only(table).tolist() == [7, 9, 0]
    monkeypatch.setattr(crosscoder, "LISTED", 2)
    assert crosscoder.tuned_only(table).tolist() == [7, 9]
    assert crosscoder.tuned_only(table[table["alone"] != "rlhf"]).tolist() == []


def test_shown_features_begin_with_the_tuned_side_s_own_and_leave_rare_ones_out(monkeypatch):
    """In the order of latents 7 comes before 9, which alone is the tuned side's own (a norm of 1 and a nu that says no); 2 hardly fires."""
    table = pd.DataFrame({"feature": [7, 9, 3, 1, 2], "alone": ["both", "rlhf", "both", "base", None]})
    assert crosscoder.shown(table).tolist() == [9, 7, 3, 1]
    monkeypatch.setattr(crosscoder, "LISTED", 2)
    assert crosscoder.shown(table).tolist() == [9, 7]
    assert crosscoder.shown(table.tail(1)).tolist() == []
