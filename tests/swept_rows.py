"""Made-up rows of a sweep."""

import pandas as pd


def swept_rows(**values) -> pd.DataFrame:
    """Rows of a sweep: for each of `values` (columns) a row; what is not given is alike in all."""
    common = {"model": "tiny", "reward": "utility", "run": "run1", "side": "base", "pick": "top1", "layer": 3, "width": 8, "tied": True,
              "l1_on": "activations", "l1_coefficient": 0.01, "seed": 1, "l0": 1.0, "mse": 1.0, "fvu": 1.0, "dead": 0.0}  # fmt: skip
    return pd.DataFrame([common | dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)])
