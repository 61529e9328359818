"""What every explainer is given of a side's features: where they fire, and which tokens they raise and lower."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel

from rewardscope.checksums import intact
from rewardscope.explain import tokens
from rewardscope.models import models


def of_seeds(
    features: list[str], activations: list[str], saes: list[str], model: PreTrainedModel, words: pd.DataFrame,
    fit: set[int], top_k: int, promoted: int,
) -> Iterator[list[dict]]:  # fmt: skip
    """For each SAE seed the `top_k` ranked features, the best matched first: `feature, fires, raised, lowered`.

    The files are a seed each. `fires`: rows (document, position, value) on the documents `fit`. `raised`, `lowered`:
    `promoted` tokens each of the whole-word tokens `words`, as `explanations.strongest` has them.
    """
    for table_file, activations_file, sae_file in zip(features, activations, saes, strict=True):
        ranked = pd.read_parquet(table_file).head(top_k).dropna(subset="place")["small"].to_numpy()
        fires = pd.read_parquet(activations_file)
        sae = load_file(intact(sae_file))
        rows = sae.get("w_dec", sae["w_enc"])[torch.tensor(ranked)]
        yield of_rows(ranked, rows, fires[fires["document"].isin(fit)], model, words, promoted)


def of_rows(
    features: Int[np.ndarray, "n"], rows: Float[Tensor, "n d_model"], fires: pd.DataFrame, model: PreTrainedModel, words: pd.DataFrame, promoted: int
) -> list[dict]:
    """The same of `features` whose directions in the model are `rows`, from their `fires` (feature, document, position, value) on fit documents."""
    by_feature = dict(tuple(fires.groupby("feature")))
    raised, lowered = tokens.strongest(models.promoted(model, rows), words, promoted)
    return [
        {"feature": feature, "fires": by_feature.get(feature, tokens.NEVER), "raised": raised[i], "lowered": lowered[i]}
        for i, feature in enumerate(features.tolist())
    ]
