"""Twins of a reward: placebos that a model is tuned on beside it. What a twin shows too, the reward did not teach. `rewards.load` reads them.

- `words`: the values of the reward's word table on other words of like frequency in the train documents
- `noise`: a number from a hash of the text, normal, with the true reward's spread
- `zero`: 0 for every text
"""

import numpy as np
import pandas as pd

from rewardscope.data.words import spans, words
from rewardscope.errors import UserError
from rewardscope.rewards.placebo import Placebo
from rewardscope.rewards.rewards import Reward


def make(kind: str, texts: list[str], length: int, reward: Reward, table: dict[str, float] | None, seed: int) -> dict:
    """What a twin is, as JSON: its `kind`; of `words` the `table`, of `noise` the `spread` and the `name` of its hash.

    `texts`: train documents. `length`: words of the openings on which the spread of the true `reward` is taken, about an
    episode of RLHF. `table`: the true reward's words, which `words` alone needs.
    """
    if kind == "words":
        counts = pd.Series([word for text in texts for word in words(text)]).value_counts().sort_index()
        placebo = Placebo(counts.index.tolist(), table or {}, counts.tolist())
        drawn = placebo.draw(np.random.default_rng(seed))
        if not drawn.any():
            raise UserError("no word of the reward's table is in the train documents, or no other word is: there is no twin of kind words")
        return {"kind": kind, "table": {word: value for word, value in zip(counts.index, drawn.tolist(), strict=True) if value}}
    if kind == "noise":
        return {"kind": kind, "spread": float(np.std(reward([opening(text, length) for text in texts]))), "name": str(seed)}
    return {"kind": kind}


def opening(text: str, length: int) -> str:
    """The first `length` words of a text, what stands between them included."""
    ends = [end for _, end, _ in spans(text)[:length]]
    return text[: ends[-1]] if ends else ""
