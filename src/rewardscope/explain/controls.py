"""Controls of what features promote: random rows in place of features, and either side's dictionary through either side's unembedding.

Tuning changes the unembedding too, and what random rows promote with it: only what features promote beyond that is theirs.
"""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from rewardscope.explain.tokens import strongest
from rewardscope.models import models


def raised(rows: Float[Tensor, "n d_model"], model: PreTrainedModel, words, promoted: int) -> Iterator[dict]:
    """`place, rank, token` of the `promoted` whole-word tokens (`words`) that each of `rows` raises most through the model's unembedding."""
    for place, tokens in enumerate(strongest(models.promoted(model, rows), words, promoted)[0], start=1):
        yield from ({"place": place, "rank": rank, "token": token["token"]} for rank, token in enumerate(tokens, start=1))
