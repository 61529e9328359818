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
from rewardscope.tables.promoted import Placebos, p_values, through

COLUMNS = ["model", "reward", "measure", "base", "rlhf", "difference", "ci_low", "ci_high", "p_value"]
WORD_COLUMNS = ["model", "reward", "word", "utility", "occurrences", "base", "rlhf", "promotes_base", "promotes_rlhf"]
SIGNS = {"": lambda u: u != 0, "_positive": lambda u: u > 0, "_negative": lambda u: u < 0}  # utility 0 is as good as no entry
MEASURES = [f"{measure}{sign}" for measure in ("share", "recall") for sign in SIGNS] + ["utility"]
KEY = ("run", "seed", "sample", "side")
TEXTS = {"": spoken, "promotes_": promoted}


class Measured(NamedTuple):
    """One model and reward: `stats.per_seed` of its explanations, of random rows and of features through the other side's unembedding.

    And what chance gives, what the values of U show on other words, and facts of the table.
    """

    seeds: pd.DataFrame
    random: pd.DataFrame | None
    crossed: pd.DataFrame | None
    chance: pd.DataFrame
    placebo: dict[str, tuple[float, list[float]]]
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


def by_tables(texts: list[list[str]], words: list[str], tables: np.ndarray, frequent: np.ndarray) -> dict[str, np.ndarray]:
    """`measure` by each of `tables` `[words, draws]` at once, of the texts' words among `words`; `frequent` `[words]`: whether a word is so."""
    place = {word: i for i, word in enumerate(words)}
    named = sorted({word for text in texts for word in text} & place.keys())
    held = np.array([[text.count(word) for word in named] for text in texts], dtype=np.float32).reshape(len(texts), len(named))
    rows = np.array([place[word] for word in named], dtype=int)
    values = {"utility": held.sum(axis=0) @ tables[rows]}
    for sign, counts in SIGNS.items():
        carries = counts(tables[rows])
        of, hits = counts(tables[frequent]).sum(axis=0), carries[frequent[rows]].sum(axis=0)
        values[f"share{sign}"] = (held.astype(bool).astype(np.float32) @ carries.astype(np.float32) > 0).mean(axis=0)
        values[f"recall{sign}"] = np.divide(hits, of, out=np.full(len(of), np.nan), where=of > 0)
    return values


def placebo_p(lines_of: dict[tuple, list[dict]], placebos: Placebos, corpus: Counter[str], least: int) -> dict[str, tuple[float, list[float]]]:
    """p of each measure's difference RLHF - base against U's values on other words, over runs and of each (`promoted.p_values`).

    Of the words that are whole-word tokens, U's too. A placebo without a frequent word has no recall and is left out there.
    """
    frequent = np.array([corpus[word] >= least for word in placebos.words], dtype=bool)
    tables = np.column_stack([placebos.true, placebos.tables])
    runs, out = sorted({run for run, *_ in lines_of}), {}
    for prefix, text_of in TEXTS.items():
        sides: dict[tuple[str, str], list[dict[str, np.ndarray]]] = {}
        for (run, _, _, side), lines in lines_of.items():
            if lines:
                sides.setdefault((run, side), []).append(by_tables([words(text_of(line)) for line in lines], placebos.words, tables, frequent))
        for name in MEASURES:
            gains = np.full((len(runs), tables.shape[1]), np.nan)
            for r, run in enumerate(runs):
                if (run, "base") in sides and (run, "rlhf") in sides:
                    base, rlhf = (np.mean([values[name] for values in sides[run, side]], axis=0) for side in ("base", "rlhf"))
                    gains[r] = rlhf - base
            true = gains[:, 0] if placebos.true.any() else np.full(len(runs), np.nan)
            out[prefix + name] = p_values(true, gains[:, 1:])
    return out


def measured(
    places: list[dict], table: dict[str, float], corpus: Counter[str], least: int, top_k: int, controls: pd.DataFrame | None,
    placebos: Placebos | None = None,
) -> Measured:  # fmt: skip
    """Measure the explanations of `places` (`explained.places`) by `table`; layers are pooled.

    `corpus`: the words of the held documents. A word of U is `frequent` where it occurs at least `least` times there: a feature that
    fires on it alone can then be ranked. `controls`: `PAIR/controls/promoted.parquet` of every run, with a column `run`, or None; `placebos`:
    `promoted.placebos` of the model's vocabulary, or None.
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
    frame = pd.DataFrame(rows).assign(shared=shared(places))
    random, crossed = (raised(controls, kind, table, frequent) for kind in ("random", "feature"))
    facts = {
        **counted(frame),
        "top_k": min([top_k, *(len(place[side]) for place in places for side in ("base", "rlhf"))]),
        "explainer": explainers(places),
        "featureless": featureless(frame),
        "frequent_words": len(frequent),
        "placebo_moved": placebos.moved if placebos else np.nan,
        **paid([line for lines in lines_of.values() for line in lines]),
    }
    by_chance = pd.DataFrame(expected).groupby(["text", "kind"]).mean()
    seeds = per_seed(frame, [prefix + name for prefix in TEXTS for name in MEASURES])
    return Measured(seeds, random, crossed, by_chance, placebo_p(lines_of, placebos, corpus, least) if placebos else {}, facts)


def raised(controls: pd.DataFrame | None, kind: str, table: dict[str, float], frequent: set[str]) -> pd.DataFrame | None:
    """`stats.per_seed` of what the rows of a `kind` of `controls` promote; None where there are none."""
    rows = []
    for (run, seed, side), group in [] if controls is None else controls[controls["kind"] == kind].groupby(["run", "seed", "side"]):
        texts = [" . ".join(token.strip() for token in tokens) for _, tokens in group.groupby(["pick", "place"])["token"]]
        values = {f"promotes_{name}": value for name, value in measure(texts, table, frequent).items()}
        rows.append({"run": run, "seed": seed, "sample": 1, "side": side, **values})
    return per_seed(pd.DataFrame(rows), [f"promotes_{name}" for name in MEASURES]) if rows else None


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
                columns |= against(this.seeds, value) | net_of_random(this.seeds, value, this.random) | through(this.crossed, value)
            columns |= over_twins(this.seeds, value, [twin.seeds for twin in twins])
            p, by_run = this.placebo.get(value, (np.nan, []))
            columns |= {"placebo_p": p, "placebo_p_by_run": " ".join(f"{of_run:.4f}" for of_run in by_run)}
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
