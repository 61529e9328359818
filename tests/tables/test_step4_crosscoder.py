"""Step 4's rows of a crosscoder, by hand."""

import math

import pandas as pd

from rewardscope.tables import step4

NAMES = {"model": "tiny", "reward": "utility"}


def test_a_crosscoder_s_rows_by_hand():
    """Of two layers: alone of either side, beside base against base and less a twin's distance from its own."""

    def latents(**counts: int) -> pd.DataFrame:
        return pd.DataFrame({"alone": [*(name for name, n in counts.items() for _ in range(n)), None]}, dtype=object)

    true = {5: (latents(rlhf=3, base=1, both=6), latents(rlhf=1, both=7)), 2: (latents(both=4), latents(base=2, both=2))}
    twin = {5: (latents(rlhf=2, both=3), latents(both=5)), 2: (latents(base=1), latents())}
    rows = pd.DataFrame(step4.crosscoder_rows(true, NAMES, [twin])).set_index(["layer", "change"])
    assert set(rows.reset_index()) <= set(step4.COLUMNS) and set(rows["among"]) == {"crosscoder"} and set(rows["kept_at"]) == {"latent scaling"}
    columns = ["features", "count", "null", "difference", "featureless", "twin", "over_twin"]
    assert rows.loc[(5, "found"), columns].tolist() == [10, 3, 1, 2, 0, 2, 0]
    assert rows.loc[(5, "kept"), columns].tolist() == [10, 6, 7, -1, 0, -2, 1]
    assert rows.loc[(2, "lost"), columns].tolist() == [4, 0, 2, -2, 0, 1, -3]
    assert rows.loc[("total", "found"), columns].tolist() == [14, 3, 1, 2, 0, 2, 0]
    assert rows.loc[("total", "lost"), columns].tolist() == [14, 1, 2, -1, 0, 1, -2]
    (alone,) = (row for row in step4.crosscoder_rows(twin, NAMES) if (row["layer"], row["change"]) == (2, "lost"))
    assert alone["featureless"] == 1 and math.isnan(alone["twin"]) and math.isnan(alone["over_twin"])
