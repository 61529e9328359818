"""Table 7: the most divergent layers against those nearest the input (Appendix H)."""

import pandas as pd

from rewardscope.errors import UserError
from rewardscope.figures import swept

PLACE = [*swept.PLACE, "tied"]


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Per place a line for the `top` layers, for the `low` ones, and for the difference of the two, seed by seed.

    `overlap` names the layers that are in both sets. MSE is on the scale of a layer's activations; FVU is not. Raises UserError
    where one of the two sets is missing.
    """
    if {pick.rstrip("0123456789") for pick in rows["pick"]} != {"top", "low"}:
        raise UserError("table7 compares top and low layers: picks.top and picks.low must be at least 1, and layers empty")
    lines = []
    for keys, group in rows.groupby(PLACE, sort=False):
        sets = {choice: group[group["pick"].str.startswith(choice)] for choice in ("top", "low")}
        shared = sets["top"].merge(sets["low"], on="layer")
        seeds = {choice: swept.seed_means(chosen) for choice, chosen in sets.items()}
        layers = {choice: swept.layers_of(chosen) for choice, chosen in sets.items()}
        seeds["low - top"] = seeds["low"] - seeds["top"]
        common = dict(zip(PLACE, keys, strict=True))
        lines += [
            {**common, "choice": choice, "layers": layers.get(choice, ""), "overlap": swept.layers_of(shared), "sae_seeds": len(values)}
            | swept.estimates(values)
            for choice, values in seeds.items()
        ]
    return pd.DataFrame(lines)
