"""Rule table3."""
from rewardscope import job

job.start(snakemake)

import json
from pathlib import Path

import pandas as pd

from rewardscope import rewards, table3
from rewardscope.files import whole

params, files = snakemake.params, snakemake.input
layers = {pair: json.loads(Path(file).read_text()) for pair, file in zip(params.pairs, files.layers, strict=True)}
places: dict[tuple, list[dict]] = {}
for (pair, pick, seed, sample), base, rlhf in zip(params.places, files.base, files.rlhf, strict=True):
    _, model, reward, run = pair.split("/")
    place = {"run": run, "layer": layers[pair][pick], "seed": seed, "sample": sample, "words": params.words[pair]}
    places.setdefault((model, reward), []).append({**place, "base": table3.read(base), "rlhf": table3.read(rlhf)})
rows = [
    table3.row(found, rewards.load_table(found[0]["words"]), params.top_k, {"model": model, "reward": reward})
    for (model, reward), found in places.items()
]
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=None if rows else table3.COLUMNS).to_csv(file, index=False)
