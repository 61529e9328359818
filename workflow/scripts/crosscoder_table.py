"""Rule crosscoder_table."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.files import read_json, whole
from rewardscope.sae import crosscoder

params, files = snakemake.params, snakemake.input
layers, rows = picks.read(params.pairs, files.layers), []
for (pair, pick), latents, null, metrics in zip(params.places, files.latents, files.null, files.metrics, strict=True):
    _, model, reward, run = pair.split("/")
    names = {"model": model, "reward": reward, "twin_of": params.twins.get(reward), "run": run, "layer": layers[pair][pick]}
    rows.append(names | crosscoder.counts(pd.read_parquet(latents), pd.read_parquet(null)) | {key: read_json(metrics)[key] for key in ("fvu", "l0")})
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows).to_csv(file, index=False)
