"""Table 4: the utility of completions, base against RLHF (section 6.2). The replicate is the prompt."""

import numpy as np
import pandas as pd

from rewardscope.stats import bootstrap_interval, sign_flip_p
from rewardscope.tables.explained import COLUMNS as SHARED
from rewardscope.tables.explained import score

ALWAYS = ("samples", "unit", "runs")  # known of every reward, beside `reward_*`
COLUMNS = [*SHARED, "reward_base", "reward_rlhf", "reward_difference", "reward_ci_low", "reward_ci_high"]


def row(runs: list[tuple[pd.DataFrame, pd.DataFrame]], table: dict[str, float] | None, resamples: int, seed: int, names: dict) -> dict:
    """One row of Table 4, from the completions (base, rlhf) of every run over the same prompts.

    `m_*`: sum over completions of the sum of |U| of their words, on the completion alone; `reward_*`: mean of the
    reward function (Equation 3, signed; a classifier's logit). Without a word table (None) what is counted in words is
    left empty. Intervals: paired bootstrap over prompts; several runs are averaged inside a prompt,
    so the interval holds for these runs.
    """
    prompts = [frame["document"].to_numpy() for pair in runs for frame in pair]
    if not all((prompts[0] == other).all() for other in prompts):
        raise ValueError("the sides or runs completed different prompts")

    def mean(side: int, of) -> np.ndarray:
        """`[prompts]`, averaged over runs."""
        return np.mean([of(pair[side]) for pair in runs], axis=0)

    size = [mean(side, lambda frame: [np.abs(v).sum() for v in frame["utilities"]]) for side in (0, 1)]
    reward = [mean(side, lambda frame: frame["reward"].to_numpy()) for side in (0, 1)]
    sums = {name: [np.mean([score(pair[side]["completion"].tolist(), table or {})[name] for pair in runs]) for side in (0, 1)]
            for name in ("sum_u", "valence", "words")}  # fmt: skip
    difference, gain, count = size[1] - size[0], reward[1] - reward[0], len(size[0])
    low, high = bootstrap_interval(difference, resamples, seed)
    reward_low, reward_high = bootstrap_interval(gain, resamples, seed)
    values = {
        **names,
        "m_base": size[0].sum(),
        "m_rlhf": size[1].sum(),
        "difference": difference.sum(),
        "ci_low": low * count,
        "ci_high": high * count,
        "p_value": sign_flip_p(difference, seed),
        "samples": count,
        "top_k": pd.NA,
        "explainer": pd.NA,
        "reward_base": reward[0].mean(),
        "reward_rlhf": reward[1].mean(),
        "reward_difference": gain.mean(),
        "reward_ci_low": reward_low,
        "reward_ci_high": reward_high,
        "unit": "prompt",
        "runs": len(runs),
        "sae_seeds": pd.NA,
        "m_per_text_base": size[0].mean(),
        "m_per_text_rlhf": size[1].mean(),
        **{f"{name}_{side}": value for name, both in sums.items() for side, value in zip(("base", "rlhf"), both, strict=True)},
    }
    if table is None:
        values |= {key: pd.NA for key in values if not key.startswith("reward_") and key not in (*names, *ALWAYS)}
    return values
