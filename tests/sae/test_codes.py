"""Codes in a list against all of them, and products in a lower precision against the full one."""

import pytest
import torch

from rewardscope.sae import codes
from rewardscope.sae import model as sae

S, B, F, D = 2, 64, 96, 32


@pytest.fixture
def model() -> sae.SAE:
    """About one feature in twenty is active; the last never, and one replicate has a token without any."""
    model = sae.new(F, D, [1, 2], tied=False)
    model.b_enc -= 1.6
    model.b_enc[:, -1] = -100
    return model


@pytest.fixture
def x(model) -> torch.Tensor:
    x = torch.randn(S, B, D, generator=torch.Generator().manual_seed(3))
    x[1, 5] = 0
    return x


def test_few_active_codes_are_a_list(model, x):
    few = model.codes(x)
    many = sae.SAE(model.w_enc, model.b_enc + 2, model.w_dec, model.b_dec).codes(x)
    assert isinstance(few, codes.Sparse) and isinstance(many, codes.Dense)
    full = model.encode(x)
    assert 0 < (full > 0).float().mean() < codes.SPARSE
    assert torch.equal(few.values, full[full > 0]) and not (few.row == B + 5).any()
    assert few.l0().tolist() == (full > 0).sum(dim=(1, 2)).tolist()
    torch.testing.assert_close(few.l1(), full.sum(dim=(1, 2)))


@pytest.mark.parametrize("l1_on", ["activations", "weights"])
def test_a_list_gives_the_gradients_of_all_codes(model, x, l1_on, monkeypatch):
    found = {}
    for share in (0.0, 1.0):
        monkeypatch.setattr(codes, "SPARSE", share)
        parts = sae.gradients_(model, x, 0.01, l1_on)
        found[share] = {**parts, **{name: getattr(model, name).grad for name in ("w_enc", "b_enc", "w_dec", "b_dec")}}
    for name, value in found[0.0].items():
        torch.testing.assert_close(found[1.0][name], value, msg=lambda said, name=name: f"{name}: {said}")
    assert not found[1.0]["w_enc"][:, -1].any()  # of a feature that is never active


def test_bfloat16_chooses_and_the_full_precision_computes(model, x):
    """A list's values are those of float32, but for features whose pre-activation rounds to the other side of 0."""
    exact, mixed = (model.codes(x, precision) for precision in (torch.float32, torch.bfloat16))
    full, rounded = torch.zeros(S * B, S * F), torch.zeros(S * B, S * F)
    full[exact.row, exact.feature], rounded[mixed.row, mixed.feature] = exact.values, mixed.values
    same = (full > 0) == (rounded > 0)
    assert same.float().mean() > 0.995
    torch.testing.assert_close(rounded[same], full[same])
    assert full[~same].max() < 0.05  # so little is lost


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_gradients_in_bfloat16(share, monkeypatch):
    """Where no feature is near its threshold, only digits are lost: tokens made of two dictionary rows each."""
    monkeypatch.setattr(codes, "SPARSE", share)
    model = sae.new(192, 256, [1], tied=False)
    model.b_enc -= 0.5
    x = model.w_dec[0][torch.randint(192, (1, 64, 2), generator=torch.Generator().manual_seed(4))].sum(dim=2)
    assert (model.encode(x) > 0.2).sum(dim=2).min() >= 1
    sae.gradients_(model, x, 0.01)
    exact = [p.grad.clone() for p in model.parameters()]
    sae.gradients_(model, x, 0.01, precision=torch.bfloat16)
    for p, reference in zip(model.parameters(), exact, strict=True):
        assert p.grad.dtype == torch.float32
        assert (p.grad - reference).norm() < 0.02 * reference.norm()


def test_no_code_is_active(model, x):
    """The gradient of a batch that no feature answers to is that of the decoder's bias alone."""
    model.b_enc -= 100
    parts = sae.gradients_(model, x, 0.01)
    assert parts["l0"].tolist() == [0, 0] and not model.w_enc.grad.any() and not model.w_dec.grad.any()
    torch.testing.assert_close(model.b_dec.grad, -2 * x.mean(dim=1) / D)
