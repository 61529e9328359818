"""Repeated work on a GPU, recorded once as a CUDA graph and replayed: where a step is many small kernels, launching them is most of it."""
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from rewardscope.job import log

WARM = 3  # calls before one is recorded: libraries must have set themselves up
MOST = 4  # shapes that are recorded: each keeps memory of its own
Work = Callable[[Tensor], Tensor]


def repeated(work: Work, device: torch.device) -> Work:
    """`work` itself, or what replays it where the device is a GPU that can."""
    return Repeated(work, CudaGraphs()) if device.type == "cuda" and not CudaGraphs.broken else work


class Repeated:
    """Calls `work`, which may change tensors in place and must do the same to every input of one shape.

    What it returns holds until the next call. The first `WARM` calls of a shape are made as they are; then one is recorded,
    and that and all later ones are replayed. Where recording fails, the log says so and every call is made as it is.
    """

    def __init__(self, work: Work, graphs: "CudaGraphs"):
        self.work, self.graphs, self.most = work, graphs, MOST
        self.calls: Counter[torch.Size] = Counter()
        self.recorded: dict[torch.Size, tuple[Tensor, Callable[[], None], Tensor]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        self.calls[x.shape] += 1
        if x.shape not in self.recorded and self.calls[x.shape] > WARM and len(self.recorded) < self.most:
            self._record(x)
        if x.shape not in self.recorded:
            return self.graphs.call(self.work, x)
        given, replay, result = self.recorded[x.shape]
        given.copy_(x)
        replay()
        return result

    def _record(self, x: Tensor) -> None:
        given = x.clone()
        try:
            self.recorded[x.shape] = given, *self.graphs.record(self.work, given)
        except RuntimeError as error:
            log.warning("no CUDA graph of the steps: %s", error)
            self.most = 0


class CudaGraphs:
    """torch's CUDA graphs, with all calls on the one stream that recording needs.

    They share their memory: of what a replay writes only its result is read after it, and before the next one.
    """

    broken = False  # recording failed in this process

    def __init__(self):
        self.stream = torch.cuda.Stream()
        self.memory = torch.cuda.graph_pool_handle()

    def call(self, work: Work, x: Tensor) -> Tensor:
        """`work(x)`, as it is."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            result = work(x)
        torch.cuda.current_stream().wait_stream(self.stream)
        return result

    def record(self, work: Work, given: Tensor) -> tuple[Callable[[], None], Tensor]:
        """What replays `work(given)`, and the tensor in which it leaves its result. Nothing is computed yet.

        Other threads may use the GPU meanwhile: they read shards ahead.
        """
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, self.memory, self.stream, capture_error_mode="thread_local"):
                result = work(given)
        except RuntimeError:
            CudaGraphs.broken = True
            torch.cuda.set_stream(current)  # torch leaves its own where the end of a recording fails
            raise
        return graph.replay, result
