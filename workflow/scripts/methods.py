"""Rule methods."""

from rewardscope.run import job

job.start(snakemake)

import json

import pandas as pd

from rewardscope.files import whole
from rewardscope.rlhf import methods

runs = []
for pair, file in zip(snakemake.params.pairs, snakemake.input.training, strict=True):
    _, model, reward, run = pair.split("/")
    group = json.dumps([model, snakemake.params.rewards[pair]], sort_keys=True)
    runs.append(({"model": model, "reward": reward, "run": run}, group, pd.read_parquet(file)))
with whole(snakemake.output.table) as file:
    pd.DataFrame(methods.rows(runs), columns=methods.COLUMNS).to_csv(file, index=False)
