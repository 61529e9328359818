"""Which tokens of a model stand for whole words, and how often: what features may be said to promote, and what placebos are drawn from.

A byte-level tokenizer has many tokens that look like words of a lexicon and are mostly pieces of others (" l", "ly", " bl", "ass").
"""

from collections import Counter

import numpy as np
import pandas as pd

from rewardscope.data.words import spans as words_of
from rewardscope.models.models import token_text

BATCH = 1000  # documents tokenized at a time


def _without_space(text: str, begin: int, end: int) -> tuple[int, int]:
    """A token's place less the space around its word, which the offsets of some tokenizers hold."""
    token = text[begin:end]
    return end - len(token.lstrip()), begin + len(token.rstrip())


def whole_words(texts: list[str], tokenizer) -> pd.DataFrame:
    """`token, text, word, occurrences, whole`: tokens that are a whole word in at least half of their `occurrences` in the texts.

    `whole`: in how many they are. `word`: the word as the reward counts it (lower case), `text`: the token in a text, its space kept.
    """
    occurrences: Counter[int] = Counter()
    whole: Counter[tuple[int, str]] = Counter()
    for start in range(0, len(texts), BATCH):
        batch = [text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") for text in texts[start : start + BATCH]]  # as `data.words`
        coded = tokenizer(batch, return_offsets_mapping=True, add_special_tokens=False)
        for text, ids, offsets in zip(batch, coded["input_ids"], coded["offset_mapping"], strict=True):
            occurrences.update(ids)
            words = {first: (last, word) for first, last, word in words_of(text)}
            spans = [_without_space(text, begin, end) for begin, end in offsets]
            shared = Counter(spans)  # the bytes of one character are tokens of the same place
            for token, (begin, end) in zip(ids, spans, strict=True):
                last, word = words.get(begin, (None, ""))
                if last == end and shared[begin, end] == 1:
                    whole[token, word] += 1
    best: dict[int, str] = {}
    for (token, word), _ in sorted(whole.items(), key=lambda item: item[1]):
        best[token] = word  # " It" and "it" are tokens of their own; a token of several words has the most frequent one
    sums = Counter({token: 0 for token in best})
    for (token, _), count in whole.items():
        sums[token] += count
    special = set(tokenizer.all_special_ids)  # that of unknown words stands for any
    tokens = sorted(token for token in best if 2 * sums[token] >= occurrences[token] and token not in special)
    columns = {"token": tokens, "text": [token_text(tokenizer, token) for token in tokens]}
    columns |= {"word": [best[token] for token in tokens], "occurrences": [occurrences[token] for token in tokens]}
    return pd.DataFrame(columns | {"whole": [sums[token] for token in tokens]}).astype(
        {"token": np.int64, "occurrences": np.int64, "whole": np.int64}
    )
