"""Training and its metrics, each against a second computation of the same thing."""

import pytest
import torch
from torch import Tensor

from rewardscope.sae import codes
from rewardscope.sae import model as sae
from rewardscope.sae import train as saes
from rewardscope.sae.model import SAE

D, WIDTH, L1, BATCH = 6, 10, 0.01, 32
SEEDS = [101, 202, 303]
PAPER = {"tied": True, "l1_on": "activations", "epochs": 2, "learning_rate": 0.003, "frozen_decoder": False, "precision": "float32"}
UNTIED = PAPER | {"tied": False}
FROZEN = UNTIED | {"frozen_decoder": True}
SIZES = [150, 40, 97]  # rows of the buffers: no multiple of the batch


@pytest.fixture(scope="module")
def rows() -> Tensor:
    """Sparse combinations of eight directions, off the origin."""
    rng = torch.Generator().manual_seed(7)
    directions = torch.randn(8, D, generator=rng)
    active = torch.rand(sum(SIZES), 8, generator=rng) < 0.2
    return active * torch.rand(sum(SIZES), 8, generator=rng) @ directions + 0.3


def train(rows: Tensor, settings: dict, seeds: list[int]) -> tuple[SAE, list[dict]]:
    return saes.train(lambda _epoch: iter(rows.split(SIZES)), D, WIDTH, settings, L1, BATCH, seeds, "cpu")


def weights(model: SAE) -> list[Tensor]:
    return [model.w_enc, model.b_enc, model.w_dec, model.b_dec]


@pytest.mark.parametrize("settings", [PAPER, UNTIED | {"l1_on": "weights"}, FROZEN], ids=["tied", "untied", "frozen"])
def test_seeds_in_one_pass_equal_each_alone(rows, settings):
    together, log = train(rows, settings, SEEDS)
    for s, seed in enumerate(SEEDS):
        alone, log_alone = train(rows, settings, [seed])
        for a, b in zip(weights(together), weights(alone), strict=True):
            torch.testing.assert_close(a[s], b[0], rtol=1e-4, atol=1e-5)
        assert [row["loss"][s] for row in log] == pytest.approx([row["loss"][0] for row in log_alone], rel=1e-4)


@pytest.mark.parametrize("share", [0, 1], ids=["dense", "list"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_fast_paths_repeat_to_the_bit(rows, monkeypatch, precision, share):
    monkeypatch.setattr(codes, "SPARSE", share)
    (first, log), (second, again) = (train(rows, PAPER | {"precision": precision}, SEEDS) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True)) and log == again
    reference, _ = train(rows, PAPER, SEEDS)
    torch.testing.assert_close(first.w_dec, reference.w_dec, rtol=0, atol=0.1)  # the same training


@pytest.mark.parametrize("settings", [PAPER, UNTIED, FROZEN], ids=["tied", "untied", "frozen"])
def test_training_equals_a_plain_autograd_loop(rows, settings):
    """With one batch a buffer, order cannot matter and the loop can be written down at once."""
    settings = settings | {"epochs": 5}
    model, log = saes.train(lambda _epoch: iter([rows]), D, WIDTH, settings, L1, len(rows), SEEDS[:1], "cpu")
    start = sae.new(WIDTH, D, SEEDS[:1], tied=True)
    w_enc, b_enc, b_dec = (t[0].clone().requires_grad_() for t in (start.w_enc, start.b_enc, start.b_dec))
    w_dec = w_enc if settings["tied"] else start.w_enc[0].clone().requires_grad_(not settings["frozen_decoder"])
    moving = {id(t): t for t in (w_enc, b_enc, w_dec, b_dec) if t.requires_grad}
    optimizer = torch.optim.Adam(moving.values(), lr=settings["learning_rate"])
    losses = []
    for _ in range(5):
        f = torch.relu(rows @ w_enc.T + b_enc)
        loss = torch.nn.functional.mse_loss(f @ w_dec + b_dec, rows) + L1 * f.sum() / len(rows)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            w_dec.copy_(torch.nn.functional.normalize(w_dec, dim=1))
    assert [row["loss"][0] for row in log] == pytest.approx(losses, rel=1e-5)
    for a, b in zip(weights(model), (w_enc, b_enc, w_dec, b_dec), strict=True):
        torch.testing.assert_close(a[0], b.detach(), rtol=1e-4, atol=1e-5)


def test_training_lowers_the_loss(rows):
    _, log = train(rows, PAPER | {"epochs": 30}, SEEDS)
    epoch = len(log) // 30
    first, last = (torch.tensor([row["loss"] for row in part]).mean(dim=0) for part in (log[:epoch], log[-epoch:]))
    assert (last < first / 2).all()


@pytest.mark.parametrize("settings", [PAPER, UNTIED], ids=["tied", "untied"])
def test_bfloat16_ends_at_the_loss_of_float32(rows, settings):
    exact, log = train(rows, settings | {"epochs": 30}, SEEDS)
    rounded, rounded_log = train(rows, settings | {"epochs": 30, "precision": "bfloat16"}, SEEDS)
    assert rounded.w_enc.dtype == torch.float32 and not torch.equal(rounded.w_enc, exact.w_enc)
    ends = [torch.tensor([row["loss"] for row in of[-9:]]).mean(dim=0) for of in (log, rounded_log)]
    torch.testing.assert_close(ends[1], ends[0], rtol=0.01, atol=0)


def test_rows_of_the_log(rows):
    _, log = train(rows, PAPER, SEEDS)
    sizes = [30, 30, 30, 30, 30, 40, 33, 32, 32] * 2  # a buffer is cut into equal batches of about 32
    assert [row["step"] for row in log] == list(range(18))
    assert [row["epoch"] for row in log] == [0] * 9 + [1] * 9
    assert [row["tokens"] for row in log] == torch.tensor(sizes).cumsum(0).tolist()
    assert all(len(row[name]) == len(SEEDS) for row in log for name in ("loss", "mse", "l0", "l1"))


def test_frozen_decoder_stays_while_the_encoder_moves(rows):
    start = sae.new(WIDTH, D, SEEDS, tied=False)
    model, _ = train(rows, FROZEN, SEEDS)
    assert torch.equal(model.w_dec, start.w_dec)
    assert (model.w_enc != start.w_enc).any(dim=-1).all()
    assert (model.b_dec != 0).all()


@pytest.mark.parametrize("settings", [PAPER, UNTIED], ids=["tied", "untied"])
def test_decoder_rows_have_unit_norm_after_training(rows, settings):
    model, _ = train(rows, settings, SEEDS)
    torch.testing.assert_close(model.w_dec.norm(dim=-1), torch.ones(len(SEEDS), WIDTH))
    assert model.tied is settings["tied"]


def test_each_seed_sees_its_own_permutation(rows, monkeypatch):
    batches, real = [], saes.gradients_

    def spy(model, x, *rest):
        batches.append(x.clone())
        return real(model, x, *rest)

    monkeypatch.setattr(saes, "gradients_", spy)
    numbered = rows.clone()
    numbered[:, 0] = torch.arange(len(rows))
    train(numbered, PAPER, SEEDS)
    seen = torch.cat(batches, dim=1)[:, :, 0].long()  # [S, row], both epochs
    bounds = torch.tensor([0, *SIZES, *SIZES]).cumsum(0).tolist()
    for buffer, (start, end) in enumerate(zip(bounds, bounds[1:], strict=False)):
        first = bounds[buffer % len(SIZES)]
        for s in range(len(SEEDS)):  # every row of the buffer once
            assert seen[s, start:end].sort().values.tolist() == list(range(first, first + end - start))
    orders = {tuple(order.tolist()) for order in (*seen[:, :150], *seen[:, 287 : 287 + 150])}
    assert len(orders) == 2 * len(SEEDS)  # of the first buffer, in two epochs
    assert tuple(range(150)) not in orders


def test_epochs_are_asked_for_one_by_one(rows):
    asked = []

    def source(epoch):
        asked.append(epoch)
        return iter([rows])

    saes.train(source, D, WIDTH, PAPER | {"epochs": 3}, L1, BATCH, SEEDS, "cpu")
    assert asked == [0, 1, 2]


def test_two_trainings_are_bitwise_equal(rows):
    (a, log_a), (b, log_b) = train(rows, PAPER, SEEDS), train(rows, PAPER, SEEDS)
    assert all(torch.equal(p, q) for p, q in zip(weights(a), weights(b), strict=True))
    assert log_a == log_b


@pytest.mark.parametrize("settings", [PAPER, UNTIED, FROZEN], ids=["tied", "untied", "frozen"])
@pytest.mark.parametrize("killed", [(0, 1), (1, 0), (1, 2), (2, 2)], ids=lambda k: f"epoch {k[0]} buffer {k[1]}")
def test_a_killed_training_ends_as_an_undisturbed_one(rows, settings, killed, tmp_path):
    settings, asked = settings | {"epochs": 3}, []

    def source(epoch, until=None):
        asked.append(epoch)
        for b, buffer in enumerate(rows.split(SIZES)):
            if (epoch, b) == until:
                raise KeyboardInterrupt
            yield buffer

    def run(read, work=None):
        return saes.train(read, D, WIDTH, settings, L1, BATCH, SEEDS, "cpu", work)

    undisturbed, log = run(source)
    with pytest.raises(KeyboardInterrupt):
        run(lambda epoch: source(epoch, killed), tmp_path)
    asked.clear()
    model, resumed = run(source, tmp_path)
    assert asked == list(range(killed[0], 3))  # the epoch that was killed, and those after it
    assert all(torch.equal(a, b) for a, b in zip(weights(model), weights(undisturbed), strict=True))
    assert resumed == log and model.tied is settings["tied"]
    asked.clear()
    model, resumed = run(source, tmp_path)  # killed after its last epoch
    assert asked == [] and resumed == log and torch.equal(model.w_enc, undisturbed.w_enc)


def test_another_seed_is_another_training(rows):
    model, _ = train(rows, PAPER, SEEDS)
    assert not torch.isclose(model.w_enc[0], model.w_enc[1]).all()


@pytest.mark.parametrize(("documents", "seen", "tokens"), [(32, (1000, 10), 3200), (32, (104, 10), 333), (3, (22, 10), 7), (1, (2, 10), 1)])
def test_batch_tokens(documents, seen, tokens):
    moments = {name: torch.tensor(n) for name, n in zip(("tokens", "documents"), seen, strict=True)}
    assert saes.batch_tokens(documents, moments) == tokens


def test_memory_is_that_of_its_parts():
    """One seed, width 2, d = 3, batch 5, shards of 7 tokens: 4 shards and one, 5 x 2 matrices, one batch of tensors."""
    assert saes.memory(1, 2, 3, 5, 7) == 4 * (5 * 7 * 3 + 5 * 2 * 2 * 3 + saes.EVALUATED * (4 * 2 + 4 * 3))


def log_of(steps: int) -> list[dict]:
    return [{"step": n, "epoch": 0, "tokens": 10 * n, "loss": [n + 0.25, n + 0.5]} for n in range(steps)]


def test_training_log_thins_and_keeps_the_last_step():
    table = saes.training_log(log_of(32), 1, limit=10)
    assert table["step"].tolist() == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 31]
    assert table["loss"].tolist() == [n + 0.5 for n in table["step"]]
    assert table["tokens"].tolist() == [10 * n for n in table["step"]]


def test_a_short_training_log_is_whole():
    assert saes.training_log(log_of(7), 0, limit=10)["loss"].tolist() == [n + 0.25 for n in range(7)]


@pytest.fixture(scope="module")
def held() -> Tensor:
    """Far from zero, so that variance about zero is not variance about the mean."""
    return torch.randn(5341, D, generator=torch.Generator().manual_seed(9)) * torch.arange(1, D + 1) + 5


@pytest.fixture(scope="module")
def model() -> SAE:
    """Two untied replicates; in the second, features 3 and 4 never fire."""
    rng = torch.Generator().manual_seed(10)
    w_enc, w_dec = torch.randn(2, 2, WIDTH, D, generator=rng) / 3
    b_enc = torch.randn(2, WIDTH, generator=rng)
    b_enc[1, 3:5] = -1000
    return SAE(w_enc, b_enc, w_dec, torch.ones(2, D))


@pytest.mark.parametrize("sizes", [[5341], [1, 5000, 40, 300]], ids=["one buffer", "unequal buffers"])
def test_metrics_against_the_whole_matrix(held, model, sizes):
    metrics, fires = saes.evaluate(model, lambda: iter(held.split(sizes)))
    x = held.double()
    for s in range(2):
        f = torch.relu(x @ model.w_enc[s].double().T + model.b_enc[s])
        residual = x - f @ model.w_dec[s].double() - model.b_dec[s]
        counts = (f > 0).sum(dim=0)
        assert fires[s].tolist() == counts.tolist()
        assert metrics[s] == pytest.approx(
            {
                "tokens": 5341,
                "mse": residual.square().mean().item(),
                "fvu": (residual.square().mean(dim=0).sum() / torch.var(x, dim=0, correction=0).sum()).item(),
                "l0": (counts.sum() / 5341).item(),
                "l1": f.sum(dim=1).mean().item(),
                "dead": (counts == 0).double().mean().item(),
            },
            rel=1e-5,
        )
    assert metrics[1]["dead"] == pytest.approx(metrics[0]["dead"] + 0.2)


def test_a_feature_that_fires_once_is_not_dead():
    """Three features fire on three, one and none of four tokens."""
    w_enc = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]])
    x = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    metrics, fires = saes.evaluate(SAE(w_enc, torch.zeros(1, 3), w_enc, torch.zeros(1, 2)), lambda: iter([x]))
    assert fires.tolist() == [[3, 1, 0]]
    assert (metrics[0]["dead"], metrics[0]["l0"]) == (pytest.approx(1 / 3), 1)


def test_fvu_of_the_mean_is_one_and_of_the_rows_is_zero(held):
    nothing = SAE(torch.zeros(1, 2 * D, D), torch.zeros(1, 2 * D), torch.zeros(1, 2 * D, D), held.mean(dim=0)[None])
    both = torch.cat([torch.eye(D), -torch.eye(D)])[None]  # x = relu(x) - relu(-x)
    perfect = SAE(both, torch.zeros(1, 2 * D), both, torch.zeros(1, D))
    fvu = [saes.evaluate(m, lambda: iter(held.split(1000)))[0][0]["fvu"] for m in (nothing, perfect)]
    assert fvu == pytest.approx([1, 0], abs=1e-6)
