"""The explainer `openai`: the paper's protocol (section 4.1, Algorithm 1) with any chat server.

A feature is shown by the reviews that it fires on most, cut into tokens with its activations, normalised by its own
maximum and discretised (Bills et al. 2023). No request says whether base or RLHF is asked about, and both sides'
are sent in one shuffled order.
"""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from rewardscope.explain import client, prompts
from rewardscope.explain.answers import Answer
from rewardscope.explain.tokens import peaks_of, quote, said_of_promotion, told

LEVELS = 10
TEMPERATURE = 1.0  # a sample is a repeated call
NOTHING_TO_SHOW = "never fires"


def shown(
    feature: int, fires: pd.DataFrame, raised: list[dict], lowered: list[dict], pieces: Callable[[int], list[str]], tokens: int, reviews: int
) -> dict:
    """A feature as `explain` takes it: what `evidence.of_seeds` gives, `fires` as the text `{reviews}` of the prompt.

    The documents are the `reviews` with the greatest activation in their first `tokens` tokens; a feature that fires
    in none of these is shown by as many tokens around its greatest activations.
    """
    near = fires[fires["position"] < tokens]
    used = near if len(near) else fires
    peaks = peaks_of(used, reviews)
    starts = [0 if len(near) else max(0, position - tokens // 2) for position in peaks["position"].astype(int)]
    rows = dict(tuple(used[used["document"].isin(peaks["document"])].groupby("document")))
    texts = [_review(rows[d], pieces(d), start, tokens, used["value"].max()) for d, start in zip(peaks["document"].astype(int), starts, strict=True)]
    return {
        "feature": feature,
        "reviews": "\n".join(texts),
        "raised": raised,
        "lowered": lowered,
        "evidence": {**told(peaks), "starts": starts},
    }


def levels(values: np.ndarray, greatest: float) -> np.ndarray:
    """Activations as whole numbers from 0 to 10, as Bills et al. round them: down."""
    return np.floor(values / greatest * LEVELS).clip(0, LEVELS).astype(int)


def explain(features: list[dict], texts: dict[str, str], samples: list[int], settings: dict, order: int, folder: Path) -> list[list[dict]]:
    """For each feature, as `shown` gives it, a line of an explanations file per sample.

    `texts`: the prompt `explain`, and `promotes` where that is asked too. `settings`: the config's `llm:` section.
    `order` seeds the order of the requests; `folder` keeps their answers. `failure` of a line says why it has
    no words: as `answers.read` does, or `never fires` (nothing was asked); `failure_of_promotes` the same of the second request.
    """
    requests = {
        (i, sample, kind): _request(prompt, settings, sample)
        for i, feature in enumerate(features)
        for kind, prompt in _prompts(feature, texts).items()
        for sample in samples
    }
    keys = sorted(requests)
    random.Random(order).shuffle(keys)
    answers = dict(zip(keys, client.ask([requests[key] for key in keys], settings, folder), strict=True))
    return [[_line(i, sample, feature, texts, requests, answers, settings) for sample in samples] for i, feature in enumerate(features)]


def _review(rows: pd.DataFrame, tokens: list[str], start: int, count: int, greatest: float) -> str:
    """A token and its level a line; one without text (a special one, the first bytes of a character) has a line where the feature fires."""
    level = dict(zip(rows["position"], levels(rows["value"].to_numpy(dtype=float), greatest), strict=True))
    shown = [(_one_line(token), level.get(start + i, 0)) for i, token in enumerate(tokens[start : start + count])]
    lines = [f"{token}\t{number}" for token, number in shown if token or number]
    return "\n".join(["<start>", *lines, "<end>"])


def _one_line(token: str) -> str:
    return token.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _prompts(feature: dict, texts: dict[str, str]) -> dict[str, str]:
    filled = {}
    if feature["reviews"]:
        filled["explain"] = prompts.fill(texts["explain"], reviews=feature["reviews"])
    if "promotes" in texts:
        raised, lowered = (quote([token["token"] for token in feature[side]]) for side in ("raised", "lowered"))
        filled["promotes"] = prompts.fill(texts["promotes"], raised=raised, lowered=lowered)
    return filled


def _request(prompt: str, settings: dict, sample: int) -> dict:
    message = {"role": "user", "content": prompt}
    return {"model": settings["model"], "messages": [message], "temperature": TEMPERATURE, "max_tokens": settings["max_tokens"], "sample": sample}


def _phrase(answer: Answer) -> tuple[str, str]:
    """An answer on one line, without quotation marks around it, and its failure."""
    return " ".join(answer.text.split()).strip("\"'"), answer.failure


def _line(i: int, sample: int, feature: dict, texts: dict, requests: dict, answers: dict, settings: dict) -> dict:
    asked = [kind for kind in texts if (i, sample, kind) in requests]
    phrases = {kind: _phrase(answers[i, sample, kind][0]) for kind in asked}
    activates_on, failure = phrases.get("explain", ("", NOTHING_TO_SHOW))
    promotes, failure_of_promotes = phrases.get("promotes", (said_of_promotion(feature["raised"], feature["lowered"]), ""))
    return {
        "feature": feature["feature"],
        "activates_on": activates_on,
        "promotes": promotes,
        "raised": feature["raised"],
        "lowered": feature["lowered"],
        "evidence": feature["evidence"],
        "explainer": f"openai:{settings['model']}",
        "cost": sum(answers[i, sample, kind][1] for kind in asked),
        "failure": failure,
        "failure_of_promotes": failure_of_promotes,
    }
