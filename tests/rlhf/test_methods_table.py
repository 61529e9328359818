"""The table of tuning methods, by hand."""

import math

import pandas as pd
import pytest

from rewardscope.rlhf import methods


def run(method: str, kl: list[float], reward: list[float]) -> pd.DataFrame:
    updates = range(1, len(kl) + 1)
    return pd.DataFrame({"method": method, "update": updates, "tokens": [100 * n for n in updates], "kl": kl, "reward": reward})


def test_reward_at_a_kl():
    curve = run("ppo", [0.0, 1.0, 3.0, 2.0], [0.0, 0.4, 0.8, 0.9])
    assert methods.at_kl(curve, 1.0) == pytest.approx(0.4) and methods.at_kl(curve, 2.5) == pytest.approx(0.7)
    assert methods.at_kl(curve, 2.0) == pytest.approx(0.6)  # where it is first reached
    assert methods.at_kl(curve, -1.0) == 0.0 and math.isnan(methods.at_kl(curve, 3.1))


def test_rows():
    """Runs are matched within a group: a placebo's stop earlier, which is nothing to the others."""
    ppo, dpo = run("ppo", [0.0, 1.0, 4.0], [0.0, 0.5, 1.1]), run("dpo", [0.0, 2.0, 1.0], [0.0, 1.0, 0.7])
    named = [
        ({"model": "m", "reward": r, "run": "run1"}, g, t)
        for r, g, t in (("u", "a", ppo), ("u-dpo", "a", dpo), ("z", "b", run("ppo", [0, 0.5], [1, 1])))
    ]
    one, two, other = methods.rows(named)
    assert list(one) == methods.COLUMNS and (one["method"], two["method"]) == ("ppo", "dpo")
    assert (one["matched_kl"], two["matched_kl"], other["matched_kl"]) == (2.0, 2.0, 0.5)
    assert (one["reward_at_matched_kl"], two["reward_at_matched_kl"]) == (pytest.approx(0.7), pytest.approx(1.0))
    assert (two["first_reward"], two["last_reward"], two["last_kl"], two["updates"], two["tokens"]) == (0.0, 0.7, 1.0, 3, 300)
