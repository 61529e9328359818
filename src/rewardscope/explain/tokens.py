"""The server-less explainer `tokens`: a deterministic baseline, no language model.

`activates_on` quotes what the strongest activations have in common; `promotes` quotes the tokens whose logits the
feature's decoder row raises and lowers most. Both sides quote equally many words, and the words of the sentences
themselves carry no utility, so that a difference in utility comes from the features alone.
"""

from collections import Counter
from math import log

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from rewardscope.data.words import spans

STRONGEST = 200  # activations that speak for a feature


NEVER = pd.DataFrame({"document": [], "position": [], "value": []})  # a feature that fires on no fit document


class Corpus:
    """The fit documents as an explainer sees them: tokens, the word around each, and word frequencies."""

    def __init__(self, corpus: pd.DataFrame, tokenizer, limit: int):
        documents = corpus.index[corpus["part"] == "fit"]
        coded = tokenizer(corpus["text"].loc[documents].tolist(), return_offsets_mapping=True, truncation=True, max_length=limit)
        self.words: dict[int, list[str]] = {}
        counts: Counter[str] = Counter()
        for document, offsets in zip(documents, coded["offset_mapping"], strict=True):
            self.words[document] = words_at(offsets, spans(corpus["text"].loc[document]))
            counts.update(word for word in self.words[document] if word)
        total = sum(counts.values())
        self.share = {word: count / total for word, count in counts.items()}


def words_at(offsets: list[tuple[int, int]], spans: list[tuple[int, int, str]]) -> list[str]:
    """For every token, the word that it is or is part of; empty for punctuation."""
    words, i = [], 0
    for start, end in offsets:
        while i < len(spans) and spans[i][1] <= start:
            i += 1
        inside = i < len(spans) and spans[i][0] < end
        words.append(spans[i][2] if inside else "")
    return words


def explain(feature: int, fires: pd.DataFrame, corpus: Corpus, raised: list[dict], lowered: list[dict], settings: dict) -> dict:
    """One line of an explanations file.

    `fires`: the feature's rows of the feature activations (document, position, value) on fit documents.
    `raised`, `lowered`: tokens with their change of logit, the strongest first. `settings`: the `explain:` section.
    """
    near = fires[fires["position"] < settings["tokens"]]
    used = near if len(near) else fires  # a feature of later positions is explained by those
    strongest = used.sort_values(["value", "document", "position"], ascending=[False, True, True]).head(STRONGEST)
    at, before, after = [], [], []
    for document, position in zip(strongest["document"], strongest["position"], strict=True):
        words = corpus.words[document]
        if position < len(words):
            at.append(words[position])
            before.append(word_before(words, position))
            after.append(word_after(words, position))
    quoted: list[str] = []
    active = _common(at, corpus.share, settings["words"] - settings["words"] // 3, quoted)
    previous = _common(before, corpus.share, settings["words"] - len(quoted), quoted)
    following = _common(after, corpus.share, settings["words"] - len(quoted), quoted)
    more = _common(at, corpus.share, settings["words"] - len(quoted), quoted)  # neighbours ran out
    beside = []
    if len(quoted) < settings["words"]:  # so did the words that it fires on
        texts = [word for document in strongest["document"].unique() for word in corpus.words[document]]
        beside = _common(texts, corpus.share, settings["words"] - len(quoted), quoted)
    peaks = peaks_of(used, settings["reviews"])
    parts = [f"Fires on {quote(active + more) or ('punctuation' if len(strongest) else 'nothing')}"]
    parts += [f"after {quote(previous)}"] if previous else []
    parts += [f"before {quote(following)}"] if following else []
    parts += [f"in documents with {quote(beside)}"] if beside else []
    if len(strongest):
        low, high = (int(np.quantile(strongest["position"], q)) for q in (0.25, 0.75))
        # in tens: the VADER lexicon holds numbers (86, 143, 182, 187), none of which ends in a zero
        parts += [f"mostly within tokens {low // 10 * 10} to {high // 10 * 10 + 10}"]
    return {
        "feature": feature,
        "activates_on": ", ".join(parts) + ".",
        "promotes": said_of_promotion(raised, lowered),
        "words": quoted,
        "raised": raised,
        "lowered": lowered,
        "evidence": {**told(peaks), "strongest": len(strongest)},
        "explainer": "tokens",
    }


def peaks_of(fires: pd.DataFrame, count: int) -> pd.DataFrame:
    """The rows of `fires` (document, position, value) with the greatest activation of each document, for the `count` greatest of these."""
    return fires.sort_values("value", ascending=False, kind="stable").drop_duplicates("document").head(count)


def told(peaks: pd.DataFrame) -> dict[str, list]:
    """The peaks as a line's `evidence` says them."""
    return {
        "documents": peaks["document"].astype(int).tolist(),
        "positions": peaks["position"].astype(int).tolist(),
        "values": [round(float(v), 6) for v in peaks["value"]],
    }


def strongest(logits: Float[Tensor, "n vocabulary"], words: pd.DataFrame, count: int) -> tuple[list[list[dict]], list[list[dict]]]:
    """For each row of `logits`, the `count` tokens raised and the `count` lowered most among the whole-word tokens `words`.

    `words` as `vocabulary.whole_words` gives them: of a piece of a word nobody could tell which word it raises. A token is its `id`, which
    is what scores go by; its text, `token`, is the vocabulary's.
    """
    tokens, texts = torch.from_numpy(words["token"].to_numpy(copy=True)), words["text"].tolist()

    def ends(largest: bool) -> list[list[dict]]:
        values, columns = logits[:, tokens].topk(min(count, len(tokens)), dim=1, largest=largest)
        return [
            [{"id": int(tokens[c]), "token": texts[c], "logit": round(v, 4)} for v, c in zip(row, column, strict=True)]
            for row, column in zip(values.tolist(), columns.tolist(), strict=True)
        ]

    return ends(True), ends(False)


def said_of_promotion(raised: list[dict], lowered: list[dict]) -> str:
    """The `promotes` of a feature, from the tokens that it raises and lowers most."""
    return f"Makes {quote([t['token'].strip() for t in raised])} more likely, {quote([t['token'].strip() for t in lowered])} less so."


def quote(words: list[str]) -> str:
    """Words in quotation marks, with commas."""
    return ", ".join(f'"{word}"' for word in words)


def word_before(words: list[str], position: int) -> str:
    """The nearest other word before a token; empty where there is none."""
    return next((w for w in reversed(words[:position]) if w and w != words[position]), "")


def word_after(words: list[str], position: int) -> str:
    """The nearest other word after a token; empty where there is none."""
    return next((w for w in words[position + 1 :] if w and w != words[position]), "")


def _common(words: list[str], share: dict[str, float], count: int, quoted: list[str]) -> list[str]:
    """The `count` words that stand out most, appended to `quoted`: p log(p / corpus share), ties by the alphabet."""
    if count < 1:
        return []
    counts = Counter(word for word in words if word and word not in quoted)
    total = sum(counts.values())
    score = {w: n / total * log(n / total / share.get(w, 1 / (1 + total))) for w, n in counts.items()}
    best = sorted(score, key=lambda w: (-score[w], w))[:count]
    quoted += best
    return best
