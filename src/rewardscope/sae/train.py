"""Training: every seed of one width at one place shares one read of the activations."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor

from rewardscope import states
from rewardscope.activations import shards
from rewardscope.numerics import precision_of
from rewardscope.run.job import log, progress
from rewardscope.sae.batchtopk import BatchTopK
from rewardscope.sae.model import SAE, gradients_, new

LOSSES = ("loss", "mse", "l0", "l1")
EVALUATED = 4096  # tokens at a time
Source = Callable[[int], Iterator[Tensor]]
"""epoch -> buffers `[n, d]` of that epoch's activations, float32"""


def train(
    source: Source, d: int, width: int, settings: dict, l1: float, batch: int, seeds: list[int], device: str | torch.device,
    work: Path | None = None,
) -> tuple[SAE, list[dict]]:  # fmt: skip
    """Train S = len(seeds) autoencoders; returns them and a row per step: step, tokens and `[S]` lists of losses.

    `settings` is a recipe (tied, l1_on, epochs, learning_rate, frozen_decoder, precision; or k, nested and dead_steps in place of an
    L1 penalty); `batch` is in tokens. Every seed permutes each buffer with its own generator. After every epoch the state is saved
    in the folder `work`, where there is one, and a killed training goes on from it.
    """
    precision = precision_of(settings["precision"], torch.device(device))
    model = new(width, d, seeds, settings["tied"]).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"], fused=True)
    orders = [torch.Generator().manual_seed(seed + 1) for seed in seeds]
    top = BatchTopK(model, settings) if settings.get("k") else None
    kept = top.state() if top else {}
    rows = _restore_(work, model, optimizer, orders, kept) if work else []
    tokens, first = (rows[-1]["tokens"], rows[-1]["epoch"] + 1) if rows else (0, 0)
    for epoch in progress(range(first, settings["epochs"]), f"epochs of {len(seeds)} autoencoders of width {width}"):
        for buffer in source(epoch):
            permutations = torch.stack([torch.randperm(len(buffer), generator=order) for order in orders]).to(device)
            batches = max(1, round(len(buffer) / batch))  # of equal size: a small last one would get a full step
            # One block a buffer, read once: small tensors kept from every step would pin the freed space between them
            losses = torch.empty(batches, len(LOSSES), len(seeds), device=device)
            for i, rows_of in enumerate(permutations.tensor_split(batches, dim=1)):
                x = buffer.index_select(0, rows_of.flatten()).view(*rows_of.shape, d)  # four times as fast as buffer[rows_of]
                if top:
                    parts = top.gradients_(x, precision)
                else:
                    parts = gradients_(model, x, l1, settings["l1_on"], settings["frozen_decoder"], precision)
                optimizer.step()
                if not settings["frozen_decoder"]:
                    model.normalise_()
                losses[i] = torch.stack([parts[name] for name in LOSSES])
                tokens += x.shape[1]
                rows.append({"step": len(rows), "epoch": epoch, "tokens": tokens})
            for row, values in zip(rows[-batches:], losses.tolist(), strict=True):
                row.update(zip(LOSSES, values, strict=True))
        last = {name: sum(rows[-1][name]) / len(seeds) for name in LOSSES}
        log.info("epoch %d, %d tokens: %s", epoch + 1, tokens, " ".join(f"{k} {v:.5g}" for k, v in last.items()))
        if work:
            _save(work, epoch + 1, model, optimizer, orders, kept, rows)
    if top:
        model.threshold = top.threshold()
    return model, rows


def _save(
    work: Path, done: int, model: SAE, optimizer: torch.optim.Adam, orders: list[torch.Generator], kept: dict[str, Tensor], rows: list[dict]
) -> None:
    tensors = {f"sae.{i}": p for i, p in enumerate(model.parameters())} | states.of(optimizer) | kept
    tensors |= {f"order.{s}": order.get_state() for s, order in enumerate(orders)}
    states.save(work, done, tensors, rows=rows)


def _restore_(work: Path, model: SAE, optimizer: torch.optim.Adam, orders: list[torch.Generator], kept: dict[str, Tensor]) -> list[dict]:
    """Put everything where `_save` saw it last; returns the rows until then."""
    state = states.latest(work)
    if state is None:
        return []
    tensors = load_file(state.tensors)
    for i, p in enumerate(model.parameters()):
        p.copy_(tensors[f"sae.{i}"])
    for name, tensor in kept.items():
        tensor.copy_(tensors[name])
    states.restore_(optimizer, tensors)
    for s, order in enumerate(orders):
        order.set_state(tensors[f"order.{s}"].clone())
    return state.facts["rows"]


def batch_tokens(documents: int, moments: dict[str, Tensor]) -> int:
    """The paper's batch of 32 inputs, in tokens: so many documents of the fit documents' mean length."""
    return max(1, round(documents * int(moments["tokens"]) / int(moments["documents"])))


def memory(seeds: int, width: int, d: int, batch: int, shard_tokens: int) -> int:
    """Bytes that training takes at most: the buffer and a shard that goes into it, weights with Adam's state, and a batch."""
    buffer = (shards.BUFFER + 1) * shard_tokens * d
    weights = 5 * seeds * 2 * width * d
    return 4 * (buffer + weights + seeds * max(batch, EVALUATED) * (4 * width + 4 * d))


def training_log(rows: list[dict], s: int, limit: int = 1000) -> pd.DataFrame:
    """Replicate `s`'s part of the rows of `train`, thinned to about `limit` steps and the last."""
    every = max(1, len(rows) // limit)
    kept = [row for row in rows if row["step"] % every == 0 or row is rows[-1]]
    return pd.DataFrame([{name: v[s] if isinstance(v, list) else v for name, v in row.items()} for row in kept])


@torch.no_grad()
def evaluate(model: SAE, buffers: Callable[[], Iterator[Tensor]]) -> tuple[list[dict], Tensor]:
    """Metrics of every replicate on held tokens, and how often each feature fires `[S, F]`.

    mse: mean over tokens and d of the squared error. fvu: its sum over the sum of squared deviations from the
    tokens' mean (1 - variance explained). l0: features active a token; l1: their sum. dead: share of features
    that fire on no held token.
    """
    replicates, width, d = model.w_enc.shape
    total = model.w_enc.new_zeros(d, dtype=torch.float64)
    tokens = 0
    for buffer in buffers():  # the mean first: deviations from it lose no digits
        total += buffer.sum(dim=0, dtype=torch.float64)
        tokens += len(buffer)
    mean = (total / tokens).float()
    error, size = torch.zeros(replicates, dtype=torch.float64), torch.zeros(replicates, dtype=torch.float64)
    fires = torch.zeros(replicates, width, dtype=torch.int64)
    deviation = 0.0
    for buffer in buffers():
        deviation += (buffer - mean).square().sum(dtype=torch.float64).item()
        for x in buffer.split(EVALUATED):
            batch = x.expand(replicates, -1, -1)
            codes = model.codes(batch)
            fires += codes.by_feature(codes.active.to(batch.dtype)).long().cpu()
            size += codes.l1().double().cpu()
            error += codes.decode(model.w_dec).add_(model.b_dec[:, None, :]).sub_(batch).square().sum(dim=(1, 2), dtype=torch.float64).cpu()
    metrics = [
        {
            "tokens": tokens,
            "mse": (error[s] / (tokens * d)).item(),
            "fvu": (error[s] / deviation).item(),
            "l0": (fires[s].sum() / tokens).item(),
            "l1": (size[s] / tokens).item(),
            "dead": (fires[s] == 0).float().mean().item(),
        }
        for s in range(replicates)
    ]
    return metrics, fires
