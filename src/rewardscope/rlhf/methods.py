"""Tuning methods side by side: reward and KL of each run by its training table, and the rewards at one KL that all of a group reached."""

import pandas as pd

COLUMNS = ["model", "reward", "run", "method", "updates", "tokens", "first_reward", "last_reward", "last_kl", "matched_kl", "reward_at_matched_kl"]


def at_kl(training: pd.DataFrame, kl: float) -> float:
    """The reward where a run first reaches a KL, on the straight line between two updates; nan where it never does."""
    before = None
    for now in training.to_dict("records"):
        if now["kl"] >= kl:
            share = 1.0 if before is None else (kl - before["kl"]) / (now["kl"] - before["kl"])
            start = now["reward"] if before is None else before["reward"]
            return start + share * (now["reward"] - start)
        before = now
    return float("nan")


def rows(runs: list[tuple[dict, str, pd.DataFrame]]) -> list[dict]:
    """A row a run of (names, group, training table). Runs of a group are tuned on one reward, from one model.

    `first_` and `last_`: of the first and last update, of responses that the policy wrote as it began. `matched_kl`: the largest KL that every
    run of the group reaches. `tokens`: those that the policy learned from, generated or of preference pairs.
    """
    reached: dict[str, float] = {}
    for _, group, training in runs:
        reached[group] = min(reached.get(group, float("inf")), training["kl"].max())
    out = []
    for names, group, training in runs:
        first, last = training.iloc[0], training.iloc[-1]
        out.append(
            {
                **names, "method": first["method"], "updates": int(last["update"]), "tokens": int(last["tokens"]), "first_reward": first["reward"],
                "last_reward": last["reward"], "last_kl": last["kl"], "matched_kl": reached[group],
                "reward_at_matched_kl": at_kl(training, reached[group]),
            }
        )  # fmt: skip
    return out
