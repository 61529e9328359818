"""Scores of `promotes`: does adding a feature to the model raise the tokens that its explanation says it raises?

The explanation's claim is the direct path: decoder row, final norm, unembedding. Here the decoder row is added where the
autoencoder reads (`models.places`), in the real model, with every later block behind it. At the
last block nothing is behind it but the norm: the claim is then all but the same computation, and its score no evidence.
"""

from collections.abc import Iterable

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.models import models
from rewardscope.scores.scores import about, told


@torch.no_grad()
def changes(model, layer: int, at: str, directions: Float[Tensor, "n d_model"], input_ids: Int[Tensor, "W T"]) -> Float[Tensor, "n vocabulary"]:
    """Change of the next-token logits when each of `directions` is added at `layer`.

    Added at every position but the first (an attention sink, which the autoencoder never sees) of the windows
    `input_ids`; the mean over those positions, less the mean over all tokens. The sign of that says whether a token rises
    more than the mean of all tokens, in logits and in log-probabilities alike: they differ by a number per position.
    """
    place = models.places(model, [layer], at)[layer]
    before, rows = model(input_ids=input_ids, use_cache=False).logits, []
    for direction in directions.to(before):
        added = torch.zeros_like(direction).expand(input_ids.shape[1], -1).clone()
        added[1:] = direction
        change = (models.steered(model, place, added, input_ids) - before)[:, 1:].double().mean(dim=(0, 1))
        rows.append(change - change.mean())
    return torch.stack(rows) if rows else torch.empty(0, before.shape[-1])


def score(lines: list[dict], others: list[dict], changes: Float[Tensor, "n vocabulary"], every: Int[Tensor, "m"]) -> pd.DataFrame:
    """A row per explanation: which share of the tokens that it claims to be `raised` (`lowered`) are so.

    `raised`: the share that rise above the mean of all tokens, as a sign. `most_raised`: the share that are among as many of
    the tokens `every` (the whole-word ones, which may be claimed) that rise most. `changes`: of each explanation's feature, mean removed. Baselines:
    the claims of another explanation (`*_other`), and of none (`*_empty`): any of `every`. nan where nothing is claimed.
    """
    rows = []
    for line, other, change in zip(lines, others, changes, strict=True):
        row = {**about(line, other), "unparsed": 0, "cost": 0.0}  # claims are stored as tokens, and nobody is asked
        for measure, sign in (("raised", 1), ("lowered", -1)):
            risen = sign * change
            claims = {"own": _claimed(line[measure]), "other": _claimed(other[measure]), "empty": every}
            for name, tokens in claims.items():
                row[f"{measure}_{name}"] = (risen[tokens] > 0).double().mean().item()
                count = len(claims["own" if name == "empty" else name])
                most = every[risen[every].topk(min(count, len(every))).indices]
                row[f"most_{measure}_{name}"] = torch.isin(tokens, most).double().mean().item()
        rows.append(row)
    return told(rows)


def _claimed(tokens: list[dict]) -> Int[Tensor, "c"]:
    return torch.tensor([token["id"] for token in tokens], dtype=torch.long)


def means(fires: pd.DataFrame, features: Iterable[int]) -> Float[Tensor, "n"]:
    """Mean activation of each feature where it fires; 0 of one that never does."""
    by_feature = fires.groupby("feature")["value"].mean()
    return torch.tensor([float(by_feature.get(feature, 0.0)) for feature in features], dtype=torch.float32)
