"""The probe: how much of the reward a linear model reads off the features (the authors' follow-up, Interpreting Learned Feedback Patterns).

Ridge regression from a test document's feature activations to the reward of the same text, fitted on `fit` documents
and scored on `held` ones, beside three others: as many random living features, a bag of tokens (a reward that sums
over words is linear in them: about the most a linear probe of the text could reach) and the mean reward.

What it can say: whether the reward can be read, linearly, off these features on the corpus's own text. What it cannot:
that the model uses them for it or learned them in RLHF (hence the base side beside it), nor anything about the text
that the tuned model writes. It is a correlation.
"""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.stats import kendalltau

from rewardscope.models.models import as_read
from rewardscope.rewards.rewards import Reward
from rewardscope.stats import against, per_seed, t_interval, unit

COLUMNS = [
    "model", "reward", "layer", "predictors", "metric", "base", "base_low", "base_high", "rlhf", "rlhf_low", "rlhf_high",
    "difference", "ci_low", "ci_high", "p_value", "columns", "fit", "held", "unit", "runs", "sae_seeds",
]  # fmt: skip
PENALTIES = np.logspace(-4, 4, 33)  # of the ridge, a fit document
VOCABULARY = 2000  # tokens in the bag, the most frequent ones: keeps it small where there are 50,000


def document_rewards(corpus: pd.DataFrame, documents: Int[np.ndarray, "n"], tokenizer, limit: int, reward: Reward) -> Float[np.ndarray, "n"]:
    """Rewards of the text that features were read from: the first `limit` tokens of a document."""
    return np.array(reward(as_read(tokenizer, corpus["text"].iloc[documents].tolist(), limit)))


def feature_sums(fires: pd.DataFrame, documents: Int[np.ndarray, "documents"]) -> Float[np.ndarray, "documents features"]:
    """Summed activations over a document's positions, of the features in `fires`.

    `fires` has a row per firing: feature, document, value; `documents` are sorted. The sum, as rewards sum over words.
    """
    features, column = np.unique(fires["feature"], return_inverse=True)
    cell = np.searchsorted(documents, fires["document"]) * len(features) + column
    sums = np.bincount(cell, fires["value"], len(documents) * len(features)).astype(float, copy=False)  # of no firing it makes integers
    return sums.reshape(len(documents), len(features))


def token_counts(tokens: pd.DataFrame, documents: Int[np.ndarray, "documents"]) -> Float[np.ndarray, "documents tokens"]:
    """How often each token stands in each document: the most frequent tokens of fit documents.

    `tokens` has a row per token read: document, part, token; `documents` are sorted.
    """
    counts = tokens.loc[tokens["part"] == "fit", "token"].value_counts()
    frequent = np.sort(counts.sort_index().nlargest(VOCABULARY).index)
    bag = tokens[tokens["token"].isin(frequent)]
    cell = np.searchsorted(documents, bag["document"]) * len(frequent) + np.searchsorted(frequent, bag["token"])
    return np.bincount(cell, minlength=len(documents) * len(frequent)).reshape(len(documents), len(frequent)).astype(float)


def ridge(x: Float[np.ndarray, "n p"], y: Float[np.ndarray, "n"]) -> tuple[Float[np.ndarray, "p"], float, float]:
    """Coefficients, intercept and penalty of ridge regression of `y` on `x`.

    Columns are scaled to unit variance and the intercept is free. The penalty is that of `PENALTIES` (times n) with
    the least squared error when each document is left out in turn, which needs no refits: with the centred and scaled
    x = U S V^T and the shrinkage c = s^2 / (s^2 + penalty), document i misses by (y_i - fitted_i) / (1 - h_i), where
    fitted = mean(y) + U c U^T (y - mean(y)) and h_i = 1/n + sum_k c_k U_ik^2.
    """
    n, mean, spread = len(y), x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    u, s, vt = np.linalg.svd((x - mean) / scale, full_matrices=False)
    centred = y - y.mean()
    projected = u.T @ centred

    def left_out(penalty: float) -> float:
        c = s**2 / (s**2 + penalty)
        return np.mean(((centred - u @ (c * projected)) / (1 - 1 / n - u**2 @ c)) ** 2)

    penalty = min(n * PENALTIES, key=left_out)
    coefficients = vt.T @ (s / (s**2 + penalty) * projected) / scale
    return coefficients, y.mean() - mean @ coefficients, penalty


def predictions(x: Float[np.ndarray, "n p"], y: Float[np.ndarray, "n"], held: Bool[np.ndarray, "n"]) -> Float[np.ndarray, "held"]:
    """Rewards predicted for the `held` rows of `x` from `y` of the other rows alone."""
    coefficients, intercept, _ = ridge(x[~held], y[~held])
    return x[held] @ coefficients + intercept


def score(predicted: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> dict[str, float]:
    """Kendall's tau-b with `y`, and R^2 = 1 - squared error / squared deviation from the mean; nan for a constant `y`.

    The mean reward of other documents has no tau and an R^2 of 0 at most.
    """
    deviation = np.sum((y - y.mean()) ** 2)
    r2 = 1 - np.sum((y - predicted) ** 2) / deviation if deviation else np.nan
    return {"tau": float(kendalltau(predicted, y).statistic), "r2": float(r2)}


def side_scores(
    layers: dict[int, pd.DataFrame],
    documents: Int[np.ndarray, "documents"],
    y: Float[np.ndarray, "documents"],
    held: Bool[np.ndarray, "documents"],
) -> list[dict]:
    """`layer, predictors, columns, tau, r2` of one side and seed: every layer alone, and all of them together (`total`).

    `layers` maps a layer to its feature activations (with `control`: whether a random one, not of the top k). nan where there is none.
    `predictors`: `features`, `controls`, and by how much the first score better
    (`features - controls`; nan where fewer controls live than there are features).
    """
    sums = {
        kind: {layer: feature_sums(fires[fires["control"] == (kind == "controls")], documents) for layer, fires in layers.items()}
        for kind in ("features", "controls")
    }
    rows = []
    for layer in (*sorted(layers), "total"):
        scores = {}
        for kind, of in sums.items():
            x = np.hstack([of[n] for n in (sorted(layers) if layer == "total" else [layer])])
            none = {"tau": np.nan, "r2": np.nan}  # of no feature, which is not one that says nothing
            scores[kind] = {"columns": x.shape[1], **(score(predictions(x, y, held), y[held]) if x.shape[1] else none)}
        features, controls = scores["features"], scores["controls"]
        fair = features["columns"] == controls["columns"]
        scores["features - controls"] = {m: features[m] - controls[m] if fair else np.nan for m in ("tau", "r2")}
        rows += [{"layer": layer, "predictors": kind, **values} for kind, values in scores.items()]
    return rows


def text_scores(
    tokens: pd.DataFrame,
    documents: Int[np.ndarray, "documents"],
    y: Float[np.ndarray, "documents"],
    held: Bool[np.ndarray, "documents"],
) -> list[dict]:
    """`predictors, columns, tau, r2` of what needs no features: a bag of `tokens`, and the `mean` reward."""
    x = token_counts(tokens, documents)
    mean = np.full(held.sum(), y[~held].mean())
    return [
        {"predictors": "tokens", "columns": x.shape[1], **score(predictions(x, y, held), y[held])},
        {"predictors": "mean", "columns": 0, **score(mean, y[held])},
    ]


def rows(scores: pd.DataFrame, text: list[dict], held: Bool[np.ndarray, "documents"], names: dict) -> list[dict]:
    """The rows of one model and reward, `names` first: for every layer, predictors and metric the two sides.

    `scores` holds the rows of `side_scores` with run, side and seed; `text` those of `text_scores`, which no side and
    no seed changes. Intervals are t over replicates: SAE seeds of one run or, where there are several runs, the runs.
    """
    replicate = "run" if scores["run"].nunique() > 1 else "seed"
    common = {"fit": int((~held).sum()), "held": int(held.sum())}
    out = []
    for (layer, predictors), group in scores.groupby(["layer", "predictors"], sort=False):
        columns = {"columns": group["columns"].mean(), "unit": unit(group["run"].nunique())}
        columns |= {"runs": group["run"].nunique(), "sae_seeds": group["seed"].nunique()}
        for metric in ("tau", "r2"):
            seeds = per_seed(group.assign(sample=1), [metric])
            replicates = seeds[metric].groupby(replicate).mean()
            row = {**names, "layer": layer, "predictors": predictors, "metric": metric}
            for side in ("base", "rlhf"):
                low, high = t_interval(replicates[side].to_numpy())
                row |= {f"{side}_low": low, f"{side}_high": high}
            out.append({**row, **against(seeds, metric), **columns, **common})
    for line in text:
        for metric in ("tau", "r2"):
            same = {"base": line[metric], "rlhf": line[metric], "columns": line["columns"]}
            out.append({**names, "predictors": line["predictors"], "metric": metric, **same, **common})
    return out
