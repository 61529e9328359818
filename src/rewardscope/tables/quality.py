"""How good the autoencoders are: reconstruction, sparsity, and MMCS against its nulls, per place."""

from pathlib import Path

import pandas as pd

from rewardscope.files import read_json
from rewardscope.stats import t_interval

METRICS = ("mse", "fvu", "l0", "l1", "dead")
MATCHES = ("mmcs", "mmcs_top_k", "mmcs_reverse", "mmcs_one_to_one", "pw_mcc", "pw_mcc_top_k", "ranked", "ranked_large")


def row(metrics: dict[str, list[str | Path]], mmcs: str | Path, null: str | Path | None, names: dict) -> dict:
    """One place: means over SAE seeds of the small and large width's metrics and of its matches, and the nulls.

    `metrics` maps `small` and `large` to the seeds' metrics files. `mmcs_ci_*` is a t interval over SAE seeds, but for
    those without a ranked feature (`mmcs` is nan). The nulls: `null_covariance*` is the mean over draws, `null_gaussian*` one
    trained pair; without them where `null` is None.
    """
    out = dict(names)
    for width, files in metrics.items():
        seeds = pd.DataFrame([read_json(file) for file in files])
        out |= {f"{name}_{width}": seeds[name].mean() for name in METRICS}
    matches = pd.read_csv(mmcs)
    low, high = t_interval(matches["mmcs"].dropna().to_numpy())
    out |= {name: matches[name].mean() for name in MATCHES} | {"mmcs_ci_low": low, "mmcs_ci_high": high}
    if null is not None:
        nulls = pd.read_parquet(null).groupby("kind")[["mmcs", "mmcs_top_k"]].mean()
        out |= {f"null_{kind}_{name}": value for kind, line in nulls.iterrows() for name, value in line.items()}
    return out | {"sae_seeds": len(matches)}
