"""Rule groups."""

from rewardscope.run import job

job.start(snakemake)

from pathlib import Path

import pandas as pd

from rewardscope.activations import picks
from rewardscope.files import whole
from rewardscope.sae import groups, match

params, files = snakemake.params, snakemake.input
layers = picks.read(params.pairs, files.layers)
places = [(pair, pick, seed) for pair in params.pairs for pick in params.picks for seed in params.seeds]
held = {side: {} for side in ("base", "rlhf")}  # side -> layer -> SAE -> run and seed of the places that it stands for
for side, of_side in held.items():
    for (pair, pick, seed), file in zip(places, files[f"{side}_sae"], strict=True):
        of_side.setdefault(layers[pair][pick], {}).setdefault(file, []).append((pair.split("/")[3], seed))
tables = []
for layer in sorted(held["rlhf"]):
    dictionaries = {
        side: [groups.Dictionary(*match.load(Path(file).parent, params.min_fires), used) for file, used in of_side[layer].items()]
        for side, of_side in held.items()
    }
    for side, other in (("base", "rlhf"), ("rlhf", "base")):
        table = groups.table(dictionaries[side], dictionaries[other])
        table.insert(0, "layer", layer)
        table.insert(0, "side", side)
        tables.append(table)
with whole(snakemake.output.groups) as file:
    pd.concat(tables, ignore_index=True).to_parquet(file, index=False)
