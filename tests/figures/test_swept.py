"""Rows of a sweep: layers are averaged inside a seed, seeds are the replicates."""

import math

import pandas as pd
import pytest
from scipy import stats
from swept_rows import swept_rows

from rewardscope.errors import UserError
from rewardscope.figures import swept


def test_gather(tmp_path):
    frame = pd.DataFrame({"seed": [1, 2], "l0": [3.0, 4.0]})
    frame.to_parquet(tmp_path / "rows.parquet")
    pair = "pairs/tiny/utility/run2"
    places = [(pair, "top1", 8), (pair, "low1", 8)]
    found = swept.gather(places, [tmp_path / "rows.parquet"] * 2, {pair: {"top1": 3, "low1": 0}}, "base")
    assert found.values.tolist() == [
        [seed, l0, "tiny", "utility", "run2", "base", pick, layer, 8]
        for pick, layer in (("top1", 3), ("low1", 0))
        for seed, l0 in ((1, 3.0), (2, 4.0))
    ]
    with pytest.raises(UserError, match="no pair"):
        swept.gather([], [], {}, "base")
    assert list(found) == ["seed", "l0", "model", "reward", "run", "side", "pick", "layer", "width"]


def test_layers_are_averaged_inside_a_seed():
    """Six rows are three replicates: the interval is that of the three means."""
    l0 = {1: (10.0, 30.0), 2: (20.0, 30.0), 3: (20.0, 40.0)}  # means 20, 25, 30
    rows = swept_rows(
        **dict(
            zip(
                ("seed", "layer", "l0"), zip(*((s, layer, v[i]) for s, v in l0.items() for i, layer in enumerate((3, 2))), strict=False), strict=False
            )
        )
    )
    rows = rows.assign(mse=2.0, fvu=0.5)
    seeds = swept.seed_means(rows)
    assert seeds["l0"].tolist() == [20, 25, 30] and list(seeds) == swept.METRICS
    found, half = swept.estimates(seeds), stats.t.ppf(0.975, 2) * 5 / math.sqrt(3)
    assert (found["l0"], found["l0_over_100"], found["l0_ci_low"], found["l0_ci_high"]) == pytest.approx((25, 0.25, 25 - half, 25 + half))
    assert (found["mse"], found["fvu"]) == (2, 0.5) and math.isnan(found["mse_ci_low"])  # equal seeds say nothing of their spread
    assert swept.layers_of(rows) == "2 3"
    assert math.isnan(swept.estimates(seeds[:1])["l0_ci_low"])
