"""The table of causes by hand: runs as replicates, and a choice beside its random sets."""

import math

import numpy as np
import pandas as pd
import pytest

from rewardscope.__main__ import main
from rewardscope.causes import causes, causes_table
from rewardscope.stats import t_interval


def row(run: str, share: float, place: str = "mlp", arm: str = "steering", **further) -> dict:
    blank = {"pick": "", "layer": "0", "size": 0, "set": 0, "ci_low": share - 0.1, "ci_high": share + 0.1, "mean_reward": 1.0, "kl": 0.5}
    return {**blank, "arm": arm, "place": place, "share": share, "perplexity": 5.0, "rate": 0.2, "features": [], "run": run, **further}


def feature(run: str, share: float, number: int = 0, **further) -> dict:
    place = causes.RANDOM if number else causes.FEATURES
    return row(run, share, place, pick="top1", size=10, set=number, **{"layer": "3", **further})


FOUND = [
    row("run1", math.nan, "none", layer=""), row("run1", 0.2), row("run1", 0.9, layer="all"), feature("run1", 0.5), feature("run1", 0.1, 1, rate=0.3),
    feature("run1", 0.6, 2, rate=0.1), feature("run1", 0.7, arm="ablation"),
    row("run2", math.nan, "none", layer=""), row("run2", 0.4, kl=1.5), row("run2", 0.7, layer="all"), feature("run2", 0.9, layer="2"),
    feature("run2", 0.2, 1), feature("run2", 0.4, 2), feature("run2", 0.7, arm="ablation"),
]  # fmt: skip


def table(found=FOUND) -> pd.DataFrame:
    rows = causes_table.rows(pd.DataFrame(found), {"model": "m", "reward": "r"})
    assert all(list(one) == causes_table.COLUMNS for one in rows)
    return pd.DataFrame(rows).set_index(["arm", "place", "layer"])


def test_runs_are_replicates():
    found = table()
    first = found.loc["steering", "mlp", "0"]
    assert first["share"] == pytest.approx(0.3) and (first["runs"], first["of_runs"], first["unit"], first["by_run"]) == (
        2,
        2,
        "tuning run",
        "0.200 0.400",
    )
    assert (first["ci_low"], first["ci_high"]) == t_interval(np.array([0.2, 0.4])) and first["kl"] == 1.0 and np.isnan(first["size"])
    assert found.loc["steering", "mlp", "all"]["share"] == pytest.approx(0.8)
    assert np.isnan(found.loc["steering", "none", ""]["share"]) and found.loc["steering", "none", ""]["runs"] == 0


def test_a_choice_beside_its_random_sets():
    found = table()
    (chosen,) = found[(found["size"] == 10) & (found.index.get_level_values("arm") == "steering")].to_dict("records")
    assert found.index.tolist().count(("steering", "features", "2 3")) == 1  # the pick's layer differs between runs
    assert chosen["random_sets"] == 4 and chosen["random"] == pytest.approx((0.35 + 0.3) / 2) and chosen["random_rate"] == pytest.approx(0.2)
    assert chosen["over_random"] == pytest.approx((0.15 + 0.6) / 2) and chosen["beaten"] == 3 / 4
    assert (chosen["over_random_ci_low"], chosen["over_random_ci_high"]) == pytest.approx(t_interval(np.array([0.15, 0.6])))
    alone = found.loc["ablation", "features", "3"]
    assert alone["random_sets"] == 0 and np.isnan(alone[["random", "over_random", "beaten"]].astype(float)).all()


def test_one_run_has_its_interval_over_prompts():
    found = table([one for one in FOUND if one["run"] == "run1"])
    first = found.loc["steering", "mlp", "0"]
    assert first["unit"] == "prompt" and (first["ci_low"], first["ci_high"]) == pytest.approx((0.1, 0.3))
    assert np.isnan(found.loc["steering", "features", "3"]["over_random_ci_low"])


def test_without_a_gain_cells_are_empty(tmp_path, capsys):
    found = table([row("run1", math.nan), row("run2", math.nan)])
    assert found["share"].isna().all() and found["runs"].tolist() == [0] and found["mean_reward"].tolist() == [1.0]
    found.reset_index().to_csv(tmp_path / "causes.csv", index=False)
    assert main(["show", str(tmp_path / "causes.csv")]) == 0
    assert "steering" in capsys.readouterr().out
