"""Replayed work, with a recorder that needs no GPU: like CUDA's, it computes nothing while it records, and replays into one tensor."""
import pytest
import torch

from rewardscope import graphs, sae, saes


class Recorder:
    """Counts what is called, recorded and replayed; `shape`: of a result; `broken`: recording fails."""

    def __init__(self, shape: tuple[int, ...] = (), broken: bool = False):
        self.shape, self.broken, self.seen = shape, broken, []

    def call(self, work, x):
        self.seen.append(("called", len(x)))
        return work(x)

    def record(self, work, given):
        if self.broken:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.seen.append(("recorded", len(given)))
        result = torch.full(self.shape, torch.nan)

        def replay():
            self.seen.append(("replayed", len(given)))
            result.copy_(work(given))

        return replay, result


def counted(recorder: Recorder, sizes: list[int]) -> list[float]:
    """A running sum of inputs, so many rows each: wrong if one is left out, used twice or stale."""
    state = torch.zeros(())

    def work(x):
        state.add_(x.sum())
        return state * 1

    run = graphs.Repeated(work, recorder)
    return [run(torch.full((n,), float(i))).item() for i, n in enumerate(sizes)]


def expected(sizes: list[int]) -> list[float]:
    return torch.tensor([float(i * n) for i, n in enumerate(sizes)]).cumsum(0).tolist()


def test_every_call_is_made_once_with_its_own_input():
    recorder, sizes = Recorder(), [5, 5, 5, 5, 5, 7, 5]
    assert counted(recorder, sizes) == expected(sizes)
    assert recorder.seen == [("called", 5)] * 3 + [("recorded", 5), ("replayed", 5), ("replayed", 5), ("called", 7), ("replayed", 5)]


def test_only_so_many_shapes_are_recorded():
    recorder, sizes = Recorder(), [n for n in range(1, graphs.MOST + 2) for _ in range(graphs.WARM + 2)]
    assert counted(recorder, sizes) == expected(sizes)
    assert [n for what, n in recorder.seen if what == "recorded"] == list(range(1, graphs.MOST + 1))
    assert ("called", graphs.MOST + 1) == recorder.seen[-1]


def test_where_recording_fails_all_calls_are_made_as_they_are(caplog):
    recorder, sizes = Recorder(broken=True), [5] * 6
    assert counted(recorder, sizes) == expected(sizes)
    assert recorder.seen == [("called", 5)] * 6 and caplog.text.count("no CUDA graph") == 1


def test_a_cpu_calls_the_work_itself():
    assert graphs.repeated(abs, torch.device("cpu")) is abs


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_a_training_by_replayed_steps_ends_with_the_same_bytes(monkeypatch, tied):
    settings = {"tied": tied, "l1_on": "activations", "epochs": 3, "learning_rate": 0.01, "frozen_decoder": False, "precision": "float32"}
    rows = torch.randn(150, 6, generator=torch.Generator().manual_seed(1))

    def trained() -> tuple[sae.SAE, list[dict]]:
        return saes.train(lambda _epoch: iter(rows.split([64, 64, 22])), 6, 10, settings, 0.01, 16, [1, 2], "cpu")

    plain, log = trained()
    recorder = Recorder((len(saes.LOSSES), 2))
    monkeypatch.setattr(graphs, "repeated", lambda work, _device: graphs.Repeated(work, recorder))
    replayed, log_replayed = trained()
    assert [what for what, _ in recorder.seen].count("replayed") > 15
    assert log == log_replayed
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), replayed.parameters(), strict=True))

