"""Table 3: the utility of the words in the explanations, base against RLHF (section 6.2), and of what features promote beside its controls."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from rewardscope.stats import against, counted, featureless, net_of_random, over_twins, per_seed
from rewardscope.tables import promoted
from rewardscope.tables.explained import explainers, paid, pooled, score, shared, spoken
from rewardscope.tables.explained import promoted as promoted_text

SUMS = ["m", "sum_u", "valence", "words", "promotes_m", "promotes_signed"]
HEADLINE = ["signed", "recall_positive", "recall_negative"]  # of what is promoted: shown with every control


class Measured(NamedTuple):
    """One model and reward, measured by a word table: all that a row of Table 3 needs of it, and that its true reward's needs of a twin."""

    rows: pd.DataFrame
    """a row per run, seed, sample and side"""
    seeds: pd.DataFrame
    """`stats.per_seed` of them"""
    random: pd.DataFrame | None
    """the same of random rows; a draw is a `seed`"""
    crossed: pd.DataFrame | None
    """of either side's features through the other side's unembedding"""
    placebo: tuple[float, list[float]]
    """`promoted.placebo_p`"""
    moved: float
    """`promoted.Placebos.moved`"""


def measured(
    places: list[dict], table: dict[str, float], top_k: int, vocabulary: pd.DataFrame, controls: pd.DataFrame | None = None,
    written: Counter[str] | None = None, seed: int = 0,
) -> Measured:  # fmt: skip
    """Measure the explanations of `places` (`explained.places`) by `table`.

    Explanations are capped at `top_k` and at the living features of either side, alike; layers are pooled. `vocabulary`: the model's
    whole-word tokens. `controls`: `PAIR/controls/promoted.parquet` of every run, with a column `run`; `written`: how often the tuned
    models' completions hold each word. Without these two there are no controls.
    """
    yardstick = promoted.Yardstick(vocabulary, table)
    features = promoted.by_features(places, yardstick, top_k)
    texts = pd.DataFrame(_scores(places, table, top_k)).assign(shared=shared(places))
    keys = ["run", "seed", "sample", "side"]
    rows = texts.merge(features.rename(columns={name: f"promotes_{name}" for name in promoted.MEASURES}), on=keys)
    values = list(dict.fromkeys([*SUMS, *(f"promotes_{name}" for name in promoted.MEASURES)]))
    random = crossed = None
    placebo, moved = (np.nan, []), np.nan
    if controls is not None:
        by_kind = promoted.by_controls(controls, yardstick)
        named = [f"promotes_{name}" for name in promoted.MEASURES]
        by_kind = by_kind.rename(columns=dict(zip(promoted.MEASURES, named, strict=True)))
        random, crossed = (per_seed(by_kind[by_kind["kind"] == kind], named) for kind in ("random", "feature"))
        placebos = promoted.placebos(yardstick, written or Counter(), seed)
        placebo, moved = promoted.placebo_p(features, placebos), placebos.moved
    return Measured(rows, per_seed(rows, values), random, crossed, placebo, moved)


def row(
    this: Measured, places: list[dict], top_k: int, names: dict, twins: Sequence[Measured] = (), recipes: Sequence[tuple[str, Measured]] = ()
) -> dict:
    """One row of Table 3; `names` are its first columns, `twins` its placebo twins, measured by the same table.

    The replicate is the SAE seed of one run, or, where there are several, the run; a dictionary without a ranked feature on both sides
    (`featureless` of them) is none, and where a run has no other there is nothing to compare: nan.
    `recipes`: the first run measured with dictionaries of other recipes (`controls:` of the config); what a decoder of random fixed
    directions shows is none of the features'.
    """
    count = counted(this.rows)
    fires, promotes = against(this.seeds, "m"), against(this.seeds, "promotes_m")
    sides = {name: {side: this.seeds[name][side].mean() for side in ("base", "rlhf")} for name in SUMS}
    ranked = this.rows.loc[(this.rows["side"] == "base") & (this.rows["k"] > 0), "k"]
    texts = ranked.mean() if len(ranked) else 0
    out = {
        **names,
        "m_base": fires.pop("base"),
        "m_rlhf": fires.pop("rlhf"),
        **fires,
        "samples": count.pop("samples"),
        "top_k": min([top_k, *(len(place[side]) for place in places for side in ("base", "rlhf"))]),
        "explainer": explainers(places),
        **count,
        "featureless": featureless(this.rows),
        "layers": " ".join(map(str, sorted({place["layer"] for place in places}))),
        "texts": texts,
        "m_per_text_base": sides["m"]["base"] / texts if texts else np.nan,
        "m_per_text_rlhf": sides["m"]["rlhf"] / texts if texts else np.nan,
        **{f"{name}_{side}": sides[name][side] for name in SUMS[1:] for side in ("base", "rlhf")},
        **{f"promotes_{name}": value for name, value in promotes.items() if name not in ("base", "rlhf")},
        **{name: this.rows[name].sum() for name in ("cost", "failures")},
        **over_twins(this.seeds, "m", [twin.seeds for twin in twins]),
    }
    for name in HEADLINE:
        value = f"promotes_{name}"
        for columns in (
            against(this.seeds, value),
            net_of_random(this.seeds, value, this.random),
            promoted.through(this.crossed, value),
            over_twins(this.seeds, value, [twin.seeds for twin in twins]),
        ):
            out |= {f"{value}_{key}": number for key, number in columns.items()}
    for name in ("precision_positive", "precision_negative", "recall_expected"):
        out |= {f"promotes_{name}_{side}": this.seeds[f"promotes_{name}"][side].mean() for side in ("base", "rlhf")}
    out |= {"promotes_signed_placebo_p": this.placebo[0], "promotes_signed_placebo_p_by_run": " ".join(f"{p:.4f}" for p in this.placebo[1])}
    out |= {"placebo_moved": this.moved}
    for recipe, other in recipes:
        for name in ("m", "promotes_signed"):
            out |= {f"{recipe}_{name}_{key}": value for key, value in against(other.seeds, name).items()}
    return out | {"twin_runs": sum(twin.rows["run"].nunique() for twin in twins)}


def _scores(places: list[dict], table: dict[str, float], top_k: int) -> list[dict]:
    """A row per run, seed, sample and side: what its explanations' words sum to, layers pooled."""
    rows = []
    for (run, seed, sample, side), lines in pooled(places, top_k).items():
        rows.append(
            {
                **{"run": run, "seed": seed, "sample": sample, "side": side, "k": len(lines)},
                **score([spoken(line) for line in lines], table),
                "promotes_m": score([promoted_text(line) for line in lines], table)["m"],
                **paid(lines),
            }
        )
    return rows
