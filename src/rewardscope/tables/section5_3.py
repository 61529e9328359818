"""Section 5.3: whether the words of the utility table U come back in the explanations, base against RLHF.

`promotes_*` in both tables reads, in place of what a feature activates on, the tokens that it promotes.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from rewardscope.data.words import words
from rewardscope.models.models import as_read
from rewardscope.rewards.utility import utilities
from rewardscope.stats import against, counted, featureless, net_of_random, over_twins, per_seed
from rewardscope.tables.explained import explainers, paid, pooled, promoted, shared, spoken

COLUMNS = ["model", "reward", "measure", "base", "rlhf", "difference", "ci_low", "ci_high", "p_value"]
WORD_COLUMNS = ["model", "reward", "word", "utility", "occurrences", "base", "rlhf", "promotes_base", "promotes_rlhf"]
SIGNS = {"": lambda u: u != 0, "_positive": lambda u: u > 0, "_negative": lambda u: u < 0}  # utility 0 is as good as no entry
MEASURES = [f"{measure}{sign}" for measure in ("share", "recall") for sign in SIGNS] + ["utility"]
KEY = ("run", "seed", "sample", "side")
TEXTS = {"": spoken, "promotes_": promoted}


class Measured(NamedTuple):
    """One model and reward: `stats.per_seed` of its explanations and of random rows, what chance gives, and facts of the table."""

    seeds: pd.DataFrame
    random: pd.DataFrame | None
    chance: pd.DataFrame
    facts: dict


def read_words(texts: list[str], tokenizer, limit: int) -> Counter[str]:
    """How often each word stands in what the models read of the documents, their first `limit` tokens."""
    return Counter(word for text in as_read(tokenizer, texts, limit) for word in words(text))


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
    also for words of positive and of negative utility alone. `utility`: the sum of U over all texts, signed. nan without a text.
    """
    if not texts:
        return dict.fromkeys(MEASURES, np.nan)
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
    """The expected `measure` of texts of `lengths` words that are drawn one by one with the `odds` of `one`; nan without a text."""
    if not lengths:
        return dict.fromkeys(MEASURES, np.nan)
    draws = {"share": np.array(lengths), "recall": sum(lengths)}
    values = {name: _mean(1 - (1 - p) ** draws[name.split("_")[0]]) for name, p in one.items() if name != "utility"}
    return values | {"utility": float(one["utility"] * sum(lengths))}


def measured(places: list[dict], table: dict[str, float], corpus: Counter[str], least: int, top_k: int, controls: pd.DataFrame | None) -> Measured:
    """Measure the explanations of `places` (`explained.places`) by `table`; layers are pooled.

    `corpus`: the words of the held documents. A word of U is `frequent` where it occurs at least `least` times there: a feature that
    fires on it alone can then be ranked. `controls`: `PAIR/controls/promoted.parquet` of every run, with a column `run`, or None.
    """
    frequent = {word for word, count in occurrences(corpus, table).items() if count >= least}
    rates = {"tokens": {w: n / corpus.total() for w, n in corpus.items()}, "types": dict.fromkeys(corpus, 1 / max(1, len(corpus)))}
    one = {kind: odds(rate, table, frequent) for kind, rate in rates.items()}
    lines_of, rows, expected = pooled(places, top_k), [], []
    for key, lines in lines_of.items():
        of_texts = {}
        for prefix, text_of in TEXTS.items():
            texts = [text_of(line) for line in lines]
            of_texts |= {prefix + name: value for name, value in measure(texts, table, frequent).items()}
            lengths = [len(words(text)) for text in texts]
            expected += [{"text": prefix, "kind": kind, **chance(lengths, drawn)} for kind, drawn in one.items()]
        rows.append({**dict(zip(KEY, key, strict=True)), "k": len(lines), **of_texts})
    frame, random = pd.DataFrame(rows).assign(shared=shared(places)), None
    if controls is not None:
        drawn = []
        for (run, seed, side), group in controls[controls["kind"] == "random"].groupby(["run", "seed", "side"]):
            texts = [" . ".join(token.strip() for token in tokens) for _, tokens in group.groupby(["pick", "place"])["token"]]
            values = {f"promotes_{name}": value for name, value in measure(texts, table, frequent).items()}
            drawn.append({"run": run, "seed": seed, "sample": 1, "side": side, **values})
        random = per_seed(pd.DataFrame(drawn), [f"promotes_{name}" for name in MEASURES]) if drawn else None
    facts = {
        **counted(frame),
        "top_k": min([top_k, *(len(place[side]) for place in places for side in ("base", "rlhf"))]),
        "explainer": explainers(places),
        "featureless": featureless(frame),
        "frequent_words": len(frequent),
        **paid([line for lines in lines_of.values() for line in lines]),
    }
    by_chance = pd.DataFrame(expected).groupby(["text", "kind"]).mean()
    return Measured(per_seed(frame, [prefix + name for prefix in TEXTS for name in MEASURES]), random, by_chance, facts)


def rows(this: Measured, twins: list[Measured], names: dict) -> list[dict]:
    """A row per measure; `names` are its first columns, `twins` the reward's placebo twins, measured by the same table.

    `chance_tokens` and `chance_types` are the measure of as many words drawn from the corpus, by frequency and alike.
    """
    out = []
    for name in MEASURES:
        row = {**names, "measure": name, **against(this.seeds, name), **this.facts}
        for prefix in TEXTS:
            value = prefix + name
            columns = {f"chance_{kind}": this.chance.loc[(prefix, kind), name] for kind in ("tokens", "types")}
            if prefix:
                columns |= against(this.seeds, value) | net_of_random(this.seeds, value, this.random)
            columns |= over_twins(this.seeds, value, [twin.seeds for twin in twins])
            row |= {prefix + key: number for key, number in columns.items()}
        out.append(row)
    return out


def word_rows(places: list[dict], table: dict[str, float], corpus: Counter[str], top_k: int, names: dict) -> list[dict]:
    """A row per word of U that some explanation names, those that RLHF brought first.

    `base`, `rlhf`, `promotes_*`: the explanations that name it, a mean over runs, seeds and samples. `occurrences`: in
    the held documents.
    """
    by_key, often = pooled(places, top_k), occurrences(corpus, table)
    counts: dict[str, Counter[str]] = {f"{prefix}{side}": Counter() for prefix in TEXTS for side in ("base", "rlhf")}
    for key, lines in by_key.items():
        for prefix, text_of in TEXTS.items():
            for line in lines:
                counts[prefix + key[-1]].update({word for word, u in utilities(text_of(line), table) if u})
    repeats = len(by_key) / 2
    listed = []
    for word in sorted(set().union(*counts.values())):
        means = {side: by_word[word] / repeats for side, by_word in counts.items()}
        listed.append({**names, "word": word, "utility": table[word], "occurrences": often[word], **means})
    return sorted(listed, key=lambda row: row["base"] + row["promotes_base"] - row["rlhf"] - row["promotes_rlhf"])


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else np.nan
