"""BatchTopK and Matryoshka against autograd, and what they learn where the features are known."""

import pytest
import torch
from torch import Tensor

from rewardscope.sae import batchtopk, codes
from rewardscope.sae import model as sae
from rewardscope.sae import train as saes
from rewardscope.sae.model import SAE

S, B, D, WIDTH, K = 2, 40, 6, 16, 3
RECIPE = {"k": K, "nested": [], "dead_steps": 10, "frozen_decoder": False, "tied": False, "epochs": 2, "learning_rate": 0.003, "precision": "float32"}
NESTED = RECIPE | {"nested": [0.25, 0.5]}
SETTINGS = {"flat": RECIPE, "nested": NESTED, "tied": NESTED | {"tied": True}, "frozen": RECIPE | {"frozen_decoder": True}}


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(S, B, D, generator=torch.Generator().manual_seed(1))


def some_sae(tied: bool) -> SAE:
    model = sae.new(WIDTH, D, [5, 6], tied)
    model.b_enc += 0.1 * torch.randn(S, WIDTH, generator=torch.Generator().manual_seed(2))
    model.b_dec += 0.1
    return model


def loss(model: SAE, x: Tensor, settings: dict, dead: Tensor) -> Tensor:
    """The docstring's formula of one replicate, written down for autograd."""
    w_enc, b_enc, w_dec, b_dec = (t[0] for t in (model.w_enc, model.b_enc, model.w_dec, model.b_dec))
    pre = x @ w_enc.T + b_enc
    f = torch.relu(pre)
    kept = f.flatten().topk(K * len(x)).indices
    f = torch.zeros_like(f).flatten().scatter(0, kept, f.flatten()[kept]).view_as(f)
    widths = [*(int(share * WIDTH) for share in settings["nested"]), WIDTH]
    losses = [torch.nn.functional.mse_loss(f[:, :m] @ w_dec[:m] + b_dec, x) for m in widths]
    total = sum(losses) / len(losses)
    if len(dead):
        error = (x - f @ w_dec - b_dec).detach()
        most = D // 2
        chosen = pre[:, dead].topk(min(most, len(dead)), dim=1)
        sent = torch.zeros(len(x), len(dead)).scatter(1, chosen.indices, chosen.values)
        total = total + min(len(dead) / most, 1) * torch.nn.functional.mse_loss(sent @ w_dec[dead], error)
    return total


@pytest.mark.parametrize("share", [0, 1], ids=["dense", "list"])
@pytest.mark.parametrize("dead", [[], [3, 9], [0, 2, 5, 6, 7, 11, 15]], ids=["none dead", "few dead", "many dead"])
@pytest.mark.parametrize("kind", SETTINGS)
def test_gradients_equal_autograd(rows, monkeypatch, kind, dead, share):
    monkeypatch.setattr(codes, "SPARSE", share)
    settings, model = SETTINGS[kind], some_sae(SETTINGS[kind]["tied"])
    top = batchtopk.BatchTopK(model, settings)
    if dead:
        model.b_enc[:, dead] = -5.0  # so that they fire nowhere
        top.state()["idle"][:, dead] = settings["dead_steps"]
    parts = top.gradients_(rows)
    for s in range(S):
        free = [t[s : s + 1].clone().requires_grad_() for t in (model.w_enc, model.b_enc, model.w_dec, model.b_dec)]
        if model.tied:
            free[2] = free[0]
        expected = loss(SAE(*free), rows[s], settings, torch.tensor(dead, dtype=torch.long))
        expected.backward()
        assert parts["loss"][s].item() == pytest.approx(expected.item(), rel=1e-5)
        for ours, theirs in zip((model.w_enc, model.b_enc, model.w_dec, model.b_dec), free, strict=True):
            if kind == "frozen" and theirs is free[2]:
                assert not ours.grad.any()
            else:
                torch.testing.assert_close(ours.grad[s], theirs.grad[0], rtol=1e-4, atol=1e-6)


def test_so_many_are_kept_and_they_are_the_largest(rows):
    model = some_sae(tied=False)
    everything = model.encode(rows)
    parts = batchtopk.BatchTopK(model, RECIPE).gradients_(rows)
    assert parts["l0"].tolist() == [K, K]
    largest = everything.flatten(1).topk(K * B).values.sum(dim=1) / B
    torch.testing.assert_close(parts["l1"], largest)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_what_is_kept_is_bit_by_bit_what_is_at_the_cut_or_above(precision):
    """Many are equal to the smallest kept (all stay); one autoencoder has too few active, one none. Against a sort and a mask."""
    f = torch.randint(-3, 6, (3, B, WIDTH), generator=torch.Generator().manual_seed(3)).mul(0.3).relu().to(precision)
    f[1, 1:], f[2] = 0, 0
    expected = f.clone()
    for row in expected.flatten(1):
        row[row < max(row.sort(descending=True).values[K * B - 1].item(), 1e-30)] = 0
    assert (expected[0] > 0).sum() > K * B and 0 < (expected[1] > 0).sum() < K * B
    model = sae.new(WIDTH, D, [1, 2, 3], tied=False)
    assert torch.equal(batchtopk.BatchTopK(model, RECIPE)._kept(f), expected)


def test_the_threshold_is_a_mean_of_the_smallest_kept_of_each_batch(rows):
    """By hand: two steps weigh .99 and 1, and the mean is not drawn to the 0 from which it starts."""
    model = some_sae(tied=False)
    top, batches = batchtopk.BatchTopK(model, RECIPE), [rows, 2 * rows]
    smallest = []
    for x in batches:
        smallest.append(model.encode(x).flatten(1).sort(descending=True).values[:, K * B - 1])
        top.gradients_(x)
    expected = (0.99 * smallest[0] + smallest[1]) / 1.99
    torch.testing.assert_close(top.threshold(), expected[:, None].expand(S, WIDTH))


def test_a_batch_with_too_few_active_keeps_them_all():
    model = some_sae(tied=False)
    model.b_enc[:] = -10
    model.b_enc[0, 4] = 1.0
    x = torch.zeros(S, B, D)
    top = batchtopk.BatchTopK(model, RECIPE)
    assert top.gradients_(x)["l0"].tolist() == [1, 0]
    assert top.threshold()[:, 0].tolist() == [1, 0]  # of the second nothing is known: all above 0 are active


def test_a_feature_that_was_kept_is_not_idle(rows):
    model = some_sae(tied=False)
    model.b_enc[:, [2, 8]] = -10
    top = batchtopk.BatchTopK(model, RECIPE)
    for _ in range(3):
        top.gradients_(rows)
    assert top.state()["idle"][:, [2, 8]].tolist() == [[3, 3], [3, 3]]
    assert (top.state()["idle"] == 0).sum() > WIDTH


def planted(tokens: int, seed: int) -> Tensor:
    """Sparse sums of eight of sixteen directions in eight dimensions."""
    directions = torch.nn.functional.normalize(torch.randn(16, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(tokens, 16, generator=rng) < 0.15) * (1 + torch.rand(tokens, 16, generator=rng)) @ directions


def train(settings: dict, work=None, seeds=(1, 2)) -> SAE:
    x = planted(4000, 3)
    return saes.train(lambda _epoch: iter(x.split(1000)), 8, 32, settings, 0.0, 100, list(seeds), "cpu", work)[0]


@pytest.mark.parametrize("settings", [RECIPE, NESTED, NESTED | {"tied": True}], ids=["flat", "nested", "tied"])
def test_read_alone_held_tokens_have_about_k_features(settings):
    model = train(settings | {"epochs": 10})
    assert model.threshold.shape == (2, 32) and (model.threshold > 0).all()
    metrics, _ = saes.evaluate(model, lambda: iter([planted(2000, 4)]))
    assert all(abs(of["l0"] - K) < 0.4 for of in metrics)
    one = planted(1, 9).expand(2, 1, 8)
    f = model.encode(one)
    assert ((f == 0) | (f > model.threshold[:, None])).all()
    assert torch.equal(f, f.new_tensor(0).where(f <= model.threshold[:, None], torch.relu(one @ model.w_enc.mT + model.b_enc[:, None])))


def test_it_explains_more_than_an_l1_penalty_with_as_many_active():
    """The reason for it: no activation is shrunk."""
    held = planted(2000, 4)
    top, _ = saes.evaluate(train(RECIPE | {"epochs": 20}), lambda: iter([held]))
    x, paper = planted(4000, 3), RECIPE | {"epochs": 20, "k": None, "l1_on": "activations", "tied": True}
    shrunk, _ = saes.evaluate(saes.train(lambda _epoch: iter(x.split(1000)), 8, 32, paper, 0.1, 100, [1, 2], "cpu")[0], lambda: iter([held]))
    for ours, theirs in zip(top, shrunk, strict=True):
        assert theirs["l0"] > ours["l0"] - 0.5 and ours["fvu"] < 0.8 * theirs["fvu"]


def test_dead_features_are_revived_by_the_auxiliary_loss(monkeypatch):
    """24 of 32 begin where nothing reaches them; without the loss they get no gradient at all."""

    def start(*args):
        model = sae.new(*args)
        model.b_enc[:, 8:] = -4.0
        return model

    def dead(dead_steps: int) -> float:
        monkeypatch.setattr(saes, "new", start)
        model = train(RECIPE | {"epochs": 20, "dead_steps": dead_steps}, seeds=(1,))
        return saes.evaluate(model, lambda: iter([planted(2000, 4)]))[0][0]["dead"]

    assert dead(10**9) >= 0.75 and dead(20) < 0.2


@pytest.mark.parametrize("settings", [RECIPE, NESTED | {"dead_steps": 3}], ids=["flat", "nested"])
def test_a_killed_training_ends_with_the_same_bytes(tmp_path, settings, monkeypatch):
    whole = train(settings | {"epochs": 3})
    saved = saes.states.save

    def killed(work, done, *args, **kwargs):
        saved(work, done, *args, **kwargs)
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(saes.states, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train(settings | {"epochs": 3}, tmp_path)
    monkeypatch.setattr(saes.states, "save", saved)
    resumed = train(settings | {"epochs": 3}, tmp_path)
    for name in ("w_enc", "b_enc", "w_dec", "b_dec", "threshold"):
        assert torch.equal(getattr(resumed, name), getattr(whole, name)), name


def test_seeds_in_one_pass_equal_each_alone():
    together = train(NESTED, seeds=(1, 2))
    for s, seed in enumerate((1, 2)):
        alone = train(NESTED, seeds=(seed,))
        for name in ("w_enc", "b_enc", "w_dec", "b_dec", "threshold"):
            torch.testing.assert_close(getattr(together, name)[s], getattr(alone, name)[0], rtol=1e-3, atol=1e-4)


def test_stored_and_in_part_it_keeps_its_threshold():
    model = train(RECIPE)
    again = sae.from_tensors(model.tensors(1))
    assert torch.equal(again.threshold[0], model.threshold[1])
    part = model.part(torch.tensor([4, 1]).numpy())
    x = planted(50, 8).expand(2, -1, -1)
    torch.testing.assert_close(part.encode(x), model.encode(x)[..., [4, 1]])
    assert torch.equal(model.to("cpu").encode(x), model.encode(x))


def test_only_positive_activations_leave_their_device(rows, monkeypatch):
    model, copied, cpu = some_sae(tied=False), [], Tensor.cpu
    positive = (model.encode(rows) > 0).sum(dim=(1, 2)).tolist()
    monkeypatch.setattr(Tensor, "cpu", lambda values: copied.append(values.numel()) or cpu(values))
    batchtopk.BatchTopK(model, RECIPE).gradients_(rows)
    assert copied == positive and max(copied) < B * WIDTH
