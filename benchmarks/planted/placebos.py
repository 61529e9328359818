"""Rewards of the twins that teach nothing: numbers by a hash of the text, in three spreads, and 0.

The other twins are made by the workflow (words: the lexicon's values on other words) or are base models of other seeds.
"""

import hashlib
from statistics import NormalDist

NORMAL = NormalDist()


class Noise:
    """Normal, with mean 0, by a hash of the text under a number."""

    def __init__(self, spread: float, number: int):
        self.spread, self.number = spread, number

    def __call__(self, texts: list[str]) -> list[float]:
        return [self.spread * NORMAL.inv_cdf(self._share(text)) for text in texts]

    def _share(self, text: str) -> float:
        digest = hashlib.sha256(f"{self.number} {text}".encode()).digest()
        return (int.from_bytes(digest[:6]) + 0.5) / 2**48


def zero(texts: list[str]) -> list[float]:
    return [0.0] * len(texts)


SPREADS = [0.25, 0.5, 1.0]  # half of a planted reward's standard deviation, as much, twice as much
(
    noise_01, noise_02, noise_03, noise_04, noise_05, noise_06, noise_07, noise_08, noise_09, noise_10,
    noise_11, noise_12, noise_13, noise_14, noise_15, noise_16, noise_17, noise_18, noise_19, noise_20,
    noise_21, noise_22, noise_23, noise_24, noise_25, noise_26, noise_27, noise_28, noise_29, noise_30,
) = (Noise(SPREADS[number % 3], number) for number in range(30))  # fmt: skip
