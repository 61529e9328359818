"""Table 6: tied and untied in the same seeds, and how fast a loss settles."""

import numpy as np
import pandas as pd
import pytest
from swept_rows import swept_rows

from rewardscope.figures import swept
from rewardscope.tables import table6


def rows() -> pd.DataFrame:
    settings = [(tied, seed, layer) for tied in (True, False) for seed in (1, 2) for layer in (3, 2)]
    frame = swept_rows(**dict(zip(("tied", "seed", "layer"), zip(*settings, strict=True), strict=True)))
    frame["fvu"] = frame["seed"] + frame["layer"] / 10 + 2.0 * ~frame["tied"] * frame["seed"]
    return frame


def curves() -> pd.DataFrame:
    """Ten steps; untied falls to 0 after four steps, tied after six; layer 2 lies one above layer 3."""
    found = []
    for _, row in rows().iterrows():
        step = np.arange(10)
        loss = np.where(step < (6 if row["tied"] else 4), 8.0, 0.0) + (row["layer"] == 2)
        place = {name: row[name] for name in (*swept.PLACE, "tied", "seed", "layer")}
        found.append(pd.DataFrame({**place, "step": step, "tokens": 50 * (step + 1), "loss": loss, "mse": loss / 2, "l0": 10 - loss}))
    return pd.concat(found)


def test_table():
    found = table6.table(rows(), curves())
    assert found[["weights", "layers", "sae_seeds"]].values.tolist() == [[name, "2 3", 2] for name in ("tied", "untied", "untied - tied")]
    assert found["fvu"].tolist() == pytest.approx([1.75, 4.75, 3.0])  # seeds: 1.25, 2.25; 3.25, 6.25; differences 2, 4
    half = 12.7062  # t(0.975, 1) x standard error 1
    assert (found["fvu_ci_low"][2], found["fvu_ci_high"][2]) == pytest.approx((3 - half, 3 + half), rel=1e-4)
    assert found["loss_epoch"].tolist() == pytest.approx([5.3, 3.7, -1.6])  # 0.6 x 8 + 0.5; 0.4 x 8 + 0.5
    for name in ("loss_settled", "mse_settled", "l0_settled"):
        assert found[name].tolist() == [6, 4, -2]


def test_settled():
    step = np.arange(40)
    assert table6.settled(step, np.full(40, 3.0)) == 0
    assert table6.settled(step, np.where(step < 7, 5.0, 1.0)) == 7
    assert table6.settled(step, np.where(step < 7, 1.0, 5.0)) == 7  # a rise settles too
    assert table6.settled(step, np.where((step < 7) | (step == 20), 5.0, 1.0)) == 21  # for good
    assert table6.settled(2 * step, np.where(step < 7, 5.0, 1.0)) == 13  # thinned: every second step
    assert table6.settled(step, 2 + np.exp(-step / 4)) == 10  # exp(-9 / 4) = 0.105 is a tenth still, exp(-10 / 4) = 0.082 is not


def test_figure():
    points = table6.points(curves())
    assert len(points) == 20 and points["step"].min() == 1
    assert points[points["step"] == 5][["weights", "tokens", "loss"]].values.tolist() == [["tied", 250, 8.5], ["untied", 250, 0.5]]
    assert points["loss_ci_low"].isna().all()  # both seeds alike
    figure = table6.draw(points)
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == ["training loss", "training MSE", "training L0"]
    assert {line.get_label(): line.get_ydata()[4] for line in figure.axes[1].lines} == {"tied": 4.25, "untied": 0.25}
