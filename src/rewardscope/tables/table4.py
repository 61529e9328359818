"""Table 4: the utility and the reward of completions, base against RLHF (section 6.2). The replicate is the prompt of one run, or the run."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from rewardscope.stats import bootstrap_interval, sign_flip_p, t_interval, welch
from rewardscope.tables.explained import score

ALWAYS = ("samples", "unit", "runs", "twin_runs", "same", "kl", "twin_kl")  # known of every reward, beside those of MEANS
MEANS = ("reward", "reward_alone", "own_reward")  # columns of completions whose mean over prompts is a measure
COMPARED = ("base", "rlhf", "difference", "ci_low", "ci_high", "p_value", "twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high")
Run = tuple[pd.DataFrame, pd.DataFrame]
"""the completions of base and of RLHF in one run"""


def last_kl(trainings: list[pd.DataFrame]) -> float:
    """The KL from the base (nats a response) as the last update began, a mean over runs; nan without one that was tuned here."""
    return float(np.mean([training["kl"].iloc[-1] for training in trainings])) if trainings else np.nan


def row(
    runs: list[Run], table: dict[str, float] | None, resamples: int, seed: int, names: dict, twins: list[Run], kl: float = np.nan,
    twin_kl: float = np.nan,
) -> dict:  # fmt: skip
    """One row of Table 4, from the completions (base, rlhf) of every run over the same prompts; `twins`: every run of its twins.

    `m_*`: sum over completions of the sum of |U| of their words, on the completion alone; `reward_*`: mean of the true
    reward (Equation 3, signed; a classifier's logit) on what RLHF gave it, `reward_alone_*` on the completion; `own_reward_*` of
    what the pair was tuned on, which of a twin is its placebo. Without a word table (None) what is counted in words is left empty;
    where no reward was given (nan in the completions) so are the rewards.

    Several runs: the run is the replicate, with t intervals and from six runs on a sign-flip p. One run: the prompt, with a
    paired bootstrap. `same`: the share of completions that are alike on both sides. `*_over_twin`: by how much the difference
    exceeds the twins' (`*_twin`), with Welch's interval over runs. `kl`, `twin_kl`: `last_kl` of the runs and of the twins'.
    """
    prompts = [frame["document"].to_numpy() for pair in runs for frame in pair]
    if not all((prompts[0] == other).all() for other in prompts):
        raise ValueError("the sides or runs completed different prompts")
    sums = {name: [np.mean([score(pair[side]["completion"].tolist(), table or {})[name] for pair in runs]) for side in (0, 1)]
            for name in ("sum_u", "valence", "words")}  # fmt: skip
    count = len(prompts[0])
    fires = _compared(runs, _size, resamples, seed, twins)
    values = {
        **names,
        "m_base": fires["base"] * count,
        "m_rlhf": fires["rlhf"] * count,
        **{name: fires[name] * count for name in ("difference", "ci_low", "ci_high")},
        "p_value": fires["p_value"],
        "samples": count,
        "top_k": pd.NA,
        "explainer": pd.NA,
    }
    for name in MEANS:
        compared = _compared(runs, lambda frame, name=name: frame[name].to_numpy(dtype=float), resamples, seed, [] if name == "own_reward" else twins)
        values |= {f"{name}_{key}": value for key, value in compared.items()}
    values |= {
        "unit": "tuning run" if len(runs) > 1 else "prompt",
        "runs": len(runs),
        "sae_seeds": pd.NA,
        "twin_runs": len(twins),
        "kl": kl,
        "twin_kl": twin_kl,
        "same": np.mean([(base["completion"] == rlhf["completion"]).mean() for base, rlhf in runs]),
        "m_per_text_base": fires["base"],
        "m_per_text_rlhf": fires["rlhf"],
        **{f"{name}_{side}": value for name, both in sums.items() for side, value in zip(("base", "rlhf"), both, strict=True)},
        **{name: fires[name] * count for name in ("twin", "over_twin", "over_twin_ci_low", "over_twin_ci_high")},
    }
    if table is None:
        values |= {key: pd.NA for key in values if not key.startswith(MEANS) and key not in (*names, *ALWAYS)}
    return values


def _size(completions: pd.DataFrame) -> np.ndarray:
    """The sum of |U| over each completion's words."""
    return np.array([np.abs(v).sum() for v in completions["utilities"]])


def _compared(runs: list[Run], of: Callable[[pd.DataFrame], np.ndarray], resamples: int, seed: int, twins: list[Run]) -> dict[str, float]:
    """Both sides' means of `of` over prompts, their difference, its interval and p, and the twins'; nan where all are equal, or none is known."""
    base, rlhf = (np.array([of(pair[side]) for pair in runs]) for side in (0, 1))  # runs x prompts
    if not np.ptp([base, rlhf]) > 0:
        return {**dict.fromkeys(COMPARED, np.nan), "base": base.mean(), "rlhf": rlhf.mean()}
    by_run = (rlhf - base).mean(axis=1)
    if len(runs) > 1:
        (low, high), p = t_interval(by_run), sign_flip_p(by_run)
    else:
        (low, high), p = bootstrap_interval(rlhf[0] - base[0], resamples, seed), sign_flip_p(rlhf[0] - base[0], seed)
    placebo = np.array([(of(pair[1]) - of(pair[0])).mean() for pair in twins])
    over, over_low, over_high = welch([(1.0, by_run), (-1.0, placebo)]) if twins else (np.nan,) * 3
    twin = placebo.mean() if twins else np.nan
    values = (base.mean(), rlhf.mean(), by_run.mean(), low, high, p, twin, over, over_low, over_high)
    return dict(zip(COMPARED, values, strict=True))
