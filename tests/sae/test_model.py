"""The autoencoder: hand-written gradients against autograd, and ties that survive."""

import jaxtyping
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, tensor

from rewardscope.sae import codes
from rewardscope.sae import model as sae
from rewardscope.sae.model import SAE

S, B, F, D = 3, 7, 5, 4
L1 = 0.03


def random_sae(tied: bool) -> SAE:
    """Float64, rows of any norm, biases that matter, one feature that never fires."""
    rng = torch.Generator().manual_seed(1)
    w_enc, w_dec, b_enc, b_dec = (torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in ((S, F, D), (S, F, D), (S, F), (S, D)))
    b_enc[:, 2] = -100
    return SAE(w_enc, b_enc, w_enc if tied else w_dec, b_dec)


@pytest.fixture(autouse=True, params=["dense", "sparse"])
def held(request, monkeypatch):
    """Every gradient with all codes and with a list of the active ones."""
    monkeypatch.setattr(codes, "SPARSE", {"dense": 0.0, "sparse": 1.0}[request.param])
    return request.param


@pytest.fixture
def x() -> Tensor:
    return torch.randn(S, B, D, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def forward(w_enc, b_enc, w_dec, b_dec, x):
    """The module's formulas once more, by einsum."""
    f = (torch.einsum("sbd,sfd->sbf", x, w_enc) + b_enc[:, None]).clamp(min=0)
    return f, torch.einsum("sbf,sfd->sbd", f, w_dec) + b_dec[:, None]


def losses(w_enc, b_enc, w_dec, b_dec, x, l1_on: str) -> Tensor:
    """The loss of each replicate, with nothing shared between encoder and decoder."""
    f, x_hat = forward(w_enc, b_enc, w_dec, b_dec, x)
    penalty = f.sum(dim=2).mean(dim=1) if l1_on == "activations" else w_dec.abs().sum(dim=(1, 2))
    return ((x_hat - x) ** 2).mean(dim=(1, 2)) + L1 * penalty


def autograd(model: SAE, x: Tensor, l1_on: str) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Losses, and gradients by w_enc, b_enc, w_dec, b_dec of an untied twin."""
    twin = [t.clone().requires_grad_() for t in (model.w_enc, model.b_enc, model.w_dec, model.b_dec)]
    loss = losses(*twin, x, l1_on)
    return loss.detach(), torch.autograd.grad(loss.sum(), twin)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_encode_and_decode_against_einsum(x):
    model = random_sae(tied=False)
    f, x_hat = forward(model.w_enc, model.b_enc, model.w_dec, model.b_dec, x)
    assert (f > 0).any(dim=(0, 1)).tolist() == [True, True, False, True, True]
    close(model.encode(x), f)
    close(model.decode(f), x_hat)


@pytest.mark.parametrize("l1_on", ["activations", "weights"])
def test_tied_gradient_is_the_sum_of_an_untied_twins(x, l1_on):
    model = random_sae(tied=True)
    loss, (w_enc, b_enc, w_dec, b_dec) = autograd(model, x, l1_on)
    parts = sae.gradients_(model, x, L1, l1_on)
    assert model.w_dec.grad is model.w_enc.grad
    close(model.w_enc.grad, w_enc + w_dec)
    close(model.b_enc.grad, b_enc)
    close(model.b_dec.grad, b_dec)
    close(parts["loss"], loss)


@pytest.mark.parametrize("l1_on", ["activations", "weights"])
@pytest.mark.parametrize("frozen", [False, True])
def test_untied_gradients_against_autograd(x, l1_on, frozen):
    model = random_sae(tied=False)
    loss, (w_enc, b_enc, w_dec, b_dec) = autograd(model, x, l1_on)
    parts = sae.gradients_(model, x, L1, l1_on, frozen_decoder=frozen)
    close(model.w_enc.grad, w_enc)
    close(model.b_enc.grad, b_enc)
    close(model.w_dec.grad, torch.zeros_like(w_dec) if frozen else w_dec)
    close(model.b_dec.grad, b_dec)
    close(parts["loss"], loss)


def test_gradients_leave_weights_and_batch_alone(x):
    model, same, x_before = random_sae(tied=True), random_sae(tied=True), x.clone()
    sae.gradients_(model, x, L1)
    assert torch.equal(x, x_before)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))


@pytest.mark.parametrize(("l1_on", "loss"), [("activations", 0.25 + 0.1 * 2.5), ("weights", 0.25 + 0.1 * 2)])
def test_loss_parts_by_hand(l1_on, loss):
    # f = (2, 3) and (0, 0); the second feature of the second token is exactly 0 and so not active.
    # x_hat = (2, 4) and (0, 1); the only error is 1, in one of four numbers.
    model = SAE(torch.eye(2)[None], tensor([[0.0, -1.0]]), torch.eye(2)[None], tensor([[0.0, 1.0]]))
    parts = sae.gradients_(model, tensor([[[2.0, 4.0], [-1.0, 1.0]]]), 0.1, l1_on)
    assert {name: part.item() for name, part in parts.items()} == pytest.approx({"loss": loss, "mse": 0.25, "l0": 1.0, "l1": 2.5})


def test_loss_parts_are_one_number_a_replicate(x):
    model = random_sae(tied=False)
    together = sae.gradients_(model, x, L1)
    for s in range(S):
        alone = sae.gradients_(sae.from_tensors(model.tensors(s)), x[s : s + 1], L1)
        for name, part in alone.items():
            torch.testing.assert_close(together[name][s], part[0], rtol=1e-6, atol=0)


def test_new_rows_lie_on_the_sphere_and_depend_on_their_own_seed():
    model = sae.new(F, D, [11, 12], tied=False)
    torch.testing.assert_close(model.w_enc.norm(dim=-1), torch.ones(2, F))
    assert not model.b_enc.any() and not model.b_dec.any()
    assert torch.equal(model.w_enc[1], sae.new(F, D, [12], tied=False).w_enc[0])
    assert (model.w_enc[0] != model.w_enc[1]).all()
    assert torch.equal(model.w_dec, model.w_enc) and model.w_dec.data_ptr() != model.w_enc.data_ptr()


def test_normalise():
    model = random_sae(tied=False)
    model.w_dec[0, 0] = 0
    before, encoder = model.w_dec.clone(), model.w_enc.clone()
    model.normalise_()
    norms = before.norm(dim=-1)
    close(model.w_dec.norm(dim=-1), (norms > 0).double())
    close(model.w_dec * norms[..., None], before)
    assert torch.equal(model.w_enc, encoder)


def test_normalise_keeps_the_tie():
    model = random_sae(tied=True)
    model.normalise_()
    assert model.tied
    close(model.w_enc.norm(dim=-1), torch.ones(S, F, dtype=torch.float64))


@pytest.mark.parametrize("tied", [True, False])
def test_the_tie_survives_a_move(tied):
    moved = random_sae(tied).to("meta")  # a device where every tensor is a new one
    assert moved.tied is tied
    assert {t.device.type for t in moved.parameters()} == {"meta"}


@pytest.mark.parametrize("tied", [True, False])
def test_stored_replicate_comes_back(x, tied, tmp_path):
    model = random_sae(tied)
    save_file(model.tensors(1), tmp_path / "sae.safetensors")
    stored = load_file(tmp_path / "sae.safetensors")
    assert set(stored) == {"w_enc", "b_enc", "b_dec"} | (set() if tied else {"w_dec"})
    back = sae.from_tensors(stored)
    assert back.tied is tied
    f = back.encode(x[1:2])
    close(f, model.encode(x)[1:2])
    close(back.decode(f), model.decode(model.encode(x))[1:2])


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_distinct(tied):
    pointers = [t.data_ptr() for t in random_sae(tied).parameters()]
    assert len(set(pointers)) == len(pointers) == (3 if tied else 4)


def test_shapes_are_checked_while_tests_run():
    with pytest.raises(jaxtyping.TypeCheckError):
        random_sae(tied=True).encode(torch.zeros(B, D, dtype=torch.float64))


def test_part_is_the_same_autoencoder_with_fewer_features(x):
    model = random_sae(tied=False)
    few = model.part(np.array([2, 0]))
    close(few.encode(x), model.encode(x)[..., [2, 0]])
    assert random_sae(tied=True).part(np.array([1])).tied and not few.tied
    assert torch.equal(few.w_dec, model.w_dec[:, [2, 0]])
