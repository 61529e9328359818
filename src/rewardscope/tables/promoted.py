"""What features promote, measured by a word table U over whole-word tokens, and its controls: random rows, the other unembedding, other words."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rewardscope.data.words import words as words_in
from rewardscope.rewards.placebo import Placebo
from rewardscope.rewards.utility import of_word
from rewardscope.tables.explained import pooled

FREQUENT = 20  # occurrences in the train documents, as one whole-word token, from which a word of U counts for recall
DRAWS = 2000  # placebo tables
SIGNS = {"positive": 1, "negative": -1}
MEASURES = ["signed", *(f"{name}_{sign}" for name in ("recall", "precision") for sign in SIGNS), "recall_expected"]


class Yardstick:
    """U over the whole words of a model's vocabulary."""

    def __init__(self, vocabulary: pd.DataFrame, table: Mapping[str, float]):
        """`vocabulary` as `rewards.vocabulary.whole_words` gives it."""
        self.word_of = dict(zip(vocabulary["text"], vocabulary["word"], strict=True))
        self.counts = vocabulary.groupby("word")["whole"].sum()  # sorted by the word
        self.table = table
        worth = {word: sum(u for _, u in of_word(word, table)) for word in self.counts.index}
        self.u = np.array(list(worth.values()))
        self.frequent = {sign: {w for w, u in worth.items() if u * s > 0 and self.counts[w] >= FREQUENT} for sign, s in SIGNS.items()}
        self.worth = worth

    def measure(self, words: list[str]) -> dict[str, float]:
        """`MEASURES` of promoted words: their sum of U; of the frequent words of U those among them (recall), and of them those (precision).

        `recall_expected`: the recall of as many distinct words drawn from the vocabulary, each alike. nan where there is nothing to find:
        no word of U in the vocabulary, none that is frequent, nothing promoted.
        """
        distinct = set(words)
        hits = {sign: len(distinct & frequent) for sign, frequent in self.frequent.items()}
        return {
            "signed": float(sum(self.worth[word] for word in words)) if self.u.any() else np.nan,
            **{f"recall_{sign}": hits[sign] / len(self.frequent[sign]) if self.frequent[sign] else np.nan for sign in SIGNS},
            **{f"precision_{sign}": hits[sign] / len(distinct) if distinct else np.nan for sign in SIGNS},
            "recall_expected": len(distinct) / len(self.counts) if len(self.counts) else np.nan,
        }

    def words(self, tokens: list[str]) -> list[str]:
        """The words that promoted tokens, as texts, stand for; tokens that are no whole word of the vocabulary are left out."""
        return [self.word_of[token] for token in tokens if token in self.word_of]


def by_features(places: list[dict], yardstick: Yardstick, top_k: int) -> pd.DataFrame:
    """`run, seed, sample, side, promoted` (words) and the measures of `yardstick`: what the explained features promote, layers pooled."""
    rows = []
    for (run, seed, sample, side), lines in pooled(places, top_k).items():
        words = yardstick.words([token["token"] for line in lines for token in line["raised"]])
        measured = yardstick.measure(words) if lines else dict.fromkeys(MEASURES, np.nan)  # no feature, which is not a feature without words
        rows.append({"run": run, "seed": seed, "sample": sample, "side": side, "promoted": words, **measured})
    return pd.DataFrame(rows)


def by_controls(controls: pd.DataFrame, yardstick: Yardstick) -> pd.DataFrame:
    """The same of the rows of `PAIR/controls/promoted.parquet` with a column `run`: beside `kind`, `side` and `through` (whose unembedding).

    `seed` is the SAE seed, of `random` rows the draw.
    """
    keys = ["kind", "run", "seed", "side", "through"]
    rows = []
    for key, tokens in controls.groupby(keys, sort=True)["token"]:
        rows.append({**dict(zip(keys, key, strict=True)), "sample": 1, **yardstick.measure(yardstick.words(tokens.tolist()))})
    return pd.DataFrame(rows, columns=[*keys, "sample", *MEASURES])


class Placebos(NamedTuple):
    """U over the whole words of a vocabulary, and its values on other words."""

    words: list[str]
    true: np.ndarray
    """U `[words]`"""
    tables: np.ndarray
    """`[words, draws]`: `DRAWS`, or none where there are fewer other words than words of U, as no placebo then weighs as much"""
    moved: int
    """values that lie on words of another stratum, the nearest with words left: their own has too few"""


def placebos(yardstick: Yardstick, written: Counter[str], seed: int) -> Placebos:
    """Draw placebo tables: within strata of frequency in the train documents and in the tuned model's completions (`written`)."""
    words = yardstick.counts.index.tolist()
    placebo = Placebo(words, yardstick.table, yardstick.counts.tolist(), [written[word] for word in words])
    rng = np.random.default_rng(seed)
    drawn = [placebo.draw(rng) for _ in range(0 if placebo.short else DRAWS)]
    return Placebos(words, yardstick.u, np.stack(drawn, axis=1) if drawn else np.zeros((len(words), 0)), placebo.moved)


def placebo_p(features: pd.DataFrame, placebos: Placebos) -> tuple[float, list[float]]:
    """p of the difference RLHF - base in signed utility, over runs and of each run (`p_values`).

    nan where U has no word, or a run's features (or all of them) promote none.
    """
    place = {word: i for i, word in enumerate(placebos.words)}
    runs = sorted(features["run"].unique())
    promotes = np.zeros((len(runs), len(place)))  # RLHF - base: promoted tokens of each word, a mean over SAE seeds and samples
    for (run, side), group in features.groupby(["run", "side"]):
        for words_of_seed in group["promoted"]:
            np.add.at(promotes[runs.index(run)], [place[word] for word in words_of_seed], (1 if side == "rlhf" else -1) / len(group))
    speaks = [placebos.true.any() and any(map(len, features.loc[features["run"] == run, "promoted"])) for run in runs]
    return p_values(np.where(speaks, promotes @ placebos.true, np.nan), promotes @ placebos.tables)


def p_values(true: np.ndarray, drawn: np.ndarray) -> tuple[float, list[float]]:
    """p of the runs' mean difference and of each run's `[runs]`, against that of every placebo `[runs, draws]`.

    A hit is a placebo whose difference is at least as large, in either direction; p = (1 + hits) / (draws + 1), nan for nan.
    A placebo whose difference is nan is no draw.
    """
    return _p(drawn.mean(axis=0), true.mean()), [_p(*of_run) for of_run in zip(drawn, true, strict=True)]


def _p(drawn: np.ndarray, true: float) -> float:
    drawn = drawn[np.isfinite(drawn)]
    hits = np.abs(drawn) >= abs(true) - 1e-9  # sums of the same values in another order are equal
    return float((1 + hits.sum()) / (len(drawn) + 1)) if np.isfinite(true) else np.nan


def written(completions: list[str | Path]) -> Counter[str]:
    """How often the completions of these files hold each word."""
    texts = (text for file in completions for text in pd.read_parquet(file, columns=["completion"])["completion"])
    return Counter(word for text in texts for word in words_in(text))


def through(crossed: pd.DataFrame | None, value: str) -> dict[str, float]:
    """Each side's features through the other side's unembedding: `base_through_rlhf`, `rlhf_through_base`."""
    sides = {"base_through_rlhf": "base", "rlhf_through_base": "rlhf"}
    return {key: np.nan if crossed is None or crossed.empty else crossed[value][side].mean() for key, side in sides.items()}
