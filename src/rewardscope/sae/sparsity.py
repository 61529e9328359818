"""The L1 coefficient of a place that gives a wanted L0 (`sae: {l0: 20}`), by a few trainings of one autoencoder.

L0 falls about as a power of the coefficient, so the search is in logarithms of both: growing steps until the target lies between two
trainings, then regula falsi.
"""

import math
from collections.abc import Callable
from pathlib import Path

from rewardscope.files import read_json
from rewardscope.run.job import log

NEAR, FAR = 0.1, 0.25  # relative distance of L0 from the target: good enough, and to be warned of
MOST = 10  # trainings
STEP = 4.0  # factor between coefficients while the target is on one side of all of them
LEAST = 0.01  # an L0 below it is as good as none, and has a logarithm


def search(target: float, l0_of: Callable[[float], float], start: float) -> list[tuple[float, float]]:
    """Every coefficient that was tried with its L0, in order: until one is within a tenth of the target, `MOST` at most."""
    tried: list[tuple[float, float]] = []
    coefficient = start
    while True:
        tried.append((coefficient, max(l0_of(coefficient), LEAST)))
        if abs(tried[-1][1] / target - 1) <= NEAR or len(tried) == MOST:
            return tried
        coefficient = _next(target, tried)


def _next(target: float, tried: list[tuple[float, float]]) -> float:
    """The coefficient to try after these."""
    dense = max((pair for pair in tried if pair[1] > target), default=None)  # the largest coefficient with too many features active
    sparse = min((pair for pair in tried if pair[1] <= target), default=None)
    if dense is None or sparse is None:
        return min(tried)[0] / STEP if dense is None else max(tried)[0] * STEP
    (low, many), (high, few) = dense, sparse
    share = math.log(many / target) / math.log(many / few)
    return low * (high / low) ** min(max(share, 0.1), 0.9)  # a tenth at least, so that the bracket shrinks on both sides


def best(target: float, tried: list[tuple[float, float]]) -> tuple[float, float]:
    """The coefficient whose L0 is nearest by ratio, and that L0; says so where it is not near."""
    coefficient, l0 = min(tried, key=lambda pair: abs(math.log(pair[1] / target)))
    if abs(l0 / target - 1) > FAR:
        log.warning("sae.l0 is %g, and the nearest that %d trainings came to is %.3g: widths or epochs do not allow it", target, len(tried), l0)
    return coefficient, l0


def settled(recipe: dict, chosen: str | Path | None) -> dict:
    """The recipe with the L1 coefficient of the file that the rule `sparsity` wrote, where there is one."""
    return {**recipe, "l1": read_json(chosen)["l1"]} if chosen else recipe
