"""Table 7: the most divergent layers against the lowest."""

import numpy as np
import pytest
from swept_rows import swept_rows

from rewardscope.errors import UserError
from rewardscope.tables import table7

LAYERS = {"top1": 3, "top2": 1, "low1": 0, "low2": 1}


def rows(picks=tuple(LAYERS)):
    settings = [(pick, LAYERS[pick], seed) for pick in picks for seed in (1, 2)]
    frame = swept_rows(**dict(zip(("pick", "layer", "seed"), zip(*settings, strict=True), strict=True)))
    return frame.assign(mse=10.0 * frame["layer"] + frame["seed"])


def test_table():
    found = table7.table(rows())
    assert found[["choice", "layers", "overlap"]].values.tolist() == [["top", "1 3", "1"], ["low", "0 1", "1"], ["low - top", "", "1"]]
    assert found["mse"].tolist() == pytest.approx([21.5, 6.5, -15])
    low, high = found["mse_ci_low"], found["mse_ci_high"]
    half = 12.7062 * 0.5  # t of 1 degree of freedom; the seeds' means are 21 and 22
    assert (low[0], high[0]) == pytest.approx((21.5 - half, 21.5 + half), rel=1e-4) and np.isnan([low[2], high[2]]).all()  # -15 in either seed
    assert table7.table(rows(("top1", "low1")))["overlap"].tolist() == [""] * 3


@pytest.mark.parametrize("picks", [("top1", "top2"), ("low1",)])
def test_both_sets_are_needed(picks):
    with pytest.raises(UserError, match="picks.low must be at least 1"):
        table7.table(rows(picks))
