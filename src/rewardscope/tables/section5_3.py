"""Section 5.3: whether the words of the utility table U come back in the explanations, base against RLHF.

`promotes_*` in both tables reads, in place of what a feature activates on, the tokens that it promotes.
"""

from collections import Counter

import numpy as np
import pandas as pd

from rewardscope.rewards.utility import utilities, words
from rewardscope.stats import against, counted, replicates
from rewardscope.tables.explained import paid, promoted, spoken

COLUMNS = ["model", "reward", "measure", "base", "rlhf", "difference", "ci_low", "ci_high", "p_value"]
WORD_COLUMNS = ["model", "reward", "word", "utility", "occurrences", "base", "rlhf", "promotes_base", "promotes_rlhf"]
SIGNS = {"": lambda u: u != 0, "_positive": lambda u: u > 0, "_negative": lambda u: u < 0}  # utility 0 is as good as no entry
MEASURES = [f"{measure}{sign}" for measure in ("share", "recall") for sign in SIGNS] + ["utility"]
KEY = ("run", "seed", "sample", "side")
TEXTS = {"": spoken, "promotes_": promoted}


def read_words(texts: list[str], tokenizer, limit: int) -> Counter[str]:
    """How often each word stands in what the models read of the documents, their first `limit` tokens."""
    coded = tokenizer(texts, return_offsets_mapping=True, truncation=True, max_length=limit)
    ends = [max((end for _, end in offsets), default=0) for offsets in coded["offset_mapping"]]
    return Counter(word for text, end in zip(texts, ends, strict=True) for word in words(text[:end]))


def occurrences(corpus: Counter[str], table: dict[str, float]) -> Counter[str]:
    """How often each word of U stands in the corpus, as the reward counts it: parts of compounds too."""
    counts: Counter[str] = Counter()
    for word, count in corpus.items():
        for part, u in utilities(word, table):
            counts[part] += count if u else 0
    return +counts


def measure(texts: list[str], table: dict[str, float], frequent: set[str]) -> dict[str, float]:
    """What explanations say of U, by the names of `MEASURES`.

    `share`: of the texts that name a word of U; `recall`: of the `frequent` words, those that some text names; both
    also for words of positive and of negative utility alone. `utility`: the sum of U over all texts, signed.
    """
    uses = [utilities(text, table) for text in texts]
    values = {"utility": float(sum(u for text in uses for _, u in text))}
    for sign, counts in SIGNS.items():
        named = [{word for word, u in text if counts(u)} for text in uses]
        anywhere = set().union(*named)
        values[f"share{sign}"] = _mean([bool(group) for group in named])
        values[f"recall{sign}"] = _mean([word in anywhere for word in frequent if counts(table[word])])
    return values


def odds(rate: dict[str, float], table: dict[str, float], frequent: set[str]) -> dict[str, np.ndarray]:
    """Of one word drawn with probability `rate`: its expected utility; the chance that it is of U; that it is each frequent word."""
    worth = [(p, utilities(word, table)) for word, p in rate.items()]
    values = {"utility": np.array(sum(p * u for p, parts in worth for _, u in parts))}
    for sign, counts in SIGNS.items():
        values[f"share{sign}"] = np.array(sum(p for p, parts in worth if any(counts(u) for _, u in parts)))
        naming = {word: 0.0 for word in sorted(frequent) if counts(table[word])}
        for p, parts in worth:
            for word in {word for word, _ in parts} & naming.keys():
                naming[word] += p
        values[f"recall{sign}"] = np.array(list(naming.values()))
    return values


def chance(lengths: list[int], one: dict[str, np.ndarray]) -> dict[str, float]:
    """The expected `measure` of texts of `lengths` words that are drawn one by one with the `odds` of `one`."""
    draws = {"share": np.array(lengths), "recall": sum(lengths)}
    values = {name: _mean(1 - (1 - p) ** draws[name.split("_")[0]]) for name, p in one.items() if name != "utility"}
    return values | {"utility": float(one["utility"] * sum(lengths))}


def rows(places: list[dict], table: dict[str, float], corpus: Counter[str], least: int, top_k: int, names: dict) -> list[dict]:
    """A row per measure; `names` are its first columns.

    `places`: as `explained.places` gives them; layers are pooled. `corpus`: the words of the held documents. A word of U is
    `frequent` where it occurs at least `least` times there: a feature that fires on it alone can then be ranked.
    `chance_tokens` and `chance_types` are the measure of as many words drawn from the corpus, by frequency and alike.
    """
    frequent = {word for word, count in occurrences(corpus, table).items() if count >= least}
    rates = {"tokens": {w: n / corpus.total() for w, n in corpus.items()}, "types": dict.fromkeys(corpus, 1 / len(corpus))}
    one = {kind: odds(rate, table, frequent) for kind, rate in rates.items()}
    pooled, measured, expected = _pooled(places, top_k), [], []
    for key, lines in pooled.items():
        for prefix, text_of in TEXTS.items():
            texts = [text_of(line) for line in lines]
            lengths = [len(words(text)) for text in texts]
            measured.append({**dict(zip(KEY, key, strict=True)), "text": prefix, **measure(texts, table, frequent)})
            expected += [{"text": prefix, "kind": kind, **chance(lengths, drawn)} for kind, drawn in one.items()]
    frame, by_chance = pd.DataFrame(measured), pd.DataFrame(expected).groupby(["text", "kind"]).mean()
    sides = {prefix: replicates(frame[frame["text"] == prefix], MEASURES) for prefix in TEXTS}
    shared = {
        **counted(frame),
        "top_k": min([top_k, *(len(place[side]) for place in places for side in ("base", "rlhf"))]),
        "explainer": " ".join(sorted({line["explainer"] for lines in pooled.values() for line in lines})),
        "frequent_words": len(frequent),
        **paid([line for lines in pooled.values() for line in lines]),
    }
    return [
        {
            **names,
            "measure": name,
            **against(sides[""], name),
            **shared,
            **{f"chance_{kind}": by_chance.loc[("", kind), name] for kind in rates},
            **{f"promotes_{key}": value for key, value in against(sides["promotes_"], name).items()},
            **{f"promotes_chance_{kind}": by_chance.loc[("promotes_", kind), name] for kind in rates},
        }
        for name in MEASURES
    ]


def word_rows(places: list[dict], table: dict[str, float], corpus: Counter[str], top_k: int, names: dict) -> list[dict]:
    """A row per word of U that some explanation names, those that RLHF brought first.

    `base`, `rlhf`, `promotes_*`: the explanations that name it, a mean over runs, seeds and samples. `occurrences`: in
    the held documents.
    """
    pooled, often = _pooled(places, top_k), occurrences(corpus, table)
    counts: dict[str, Counter[str]] = {f"{prefix}{side}": Counter() for prefix in TEXTS for side in ("base", "rlhf")}
    for key, lines in pooled.items():
        for prefix, text_of in TEXTS.items():
            for line in lines:
                counts[prefix + key[-1]].update({word for word, u in utilities(text_of(line), table) if u})
    repeats = len(pooled) / 2
    listed = []
    for word in sorted(set().union(*counts.values())):
        means = {side: by_word[word] / repeats for side, by_word in counts.items()}
        listed.append({**names, "word": word, "utility": table[word], "occurrences": often[word], **means})
    return sorted(listed, key=lambda row: row["base"] + row["promotes_base"] - row["rlhf"] - row["promotes_rlhf"])


def _pooled(places: list[dict], top_k: int) -> dict[tuple, list[dict]]:
    """The explanations of all layers by (run, seed, sample, side), equally many of both sides."""
    pooled: dict[tuple, list[dict]] = {}
    for place in places:
        k = min(top_k, len(place["base"]), len(place["rlhf"]))
        for side in ("base", "rlhf"):
            pooled.setdefault((place["run"], place["seed"], place["sample"], side), []).extend(place[side][:k])
    return pooled


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else np.nan
