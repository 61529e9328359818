"""Rule table1."""

from rewardscope.run import job

job.start(snakemake)


import pandas as pd

from rewardscope.files import read_json, whole
from rewardscope.tables import table1

rows = []
for pair, settings in zip(snakemake.params.pairs, snakemake.input.settings, strict=True):
    _, model, reward, run = pair.split("/")
    rows += table1.rows(read_json(settings), {"model": model, "reward": reward, "run": run})
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=table1.COLUMNS).to_csv(file, index=False)
