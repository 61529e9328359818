"""Rule causes_table."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.causes import causes_table
from rewardscope.files import whole

runs: dict[tuple, list[pd.DataFrame]] = {}
for pair, file in zip(snakemake.params.pairs, snakemake.input.tables, strict=True):
    _, model, reward, run = pair.split("/")
    runs.setdefault((model, reward), []).append(pd.read_parquet(file).assign(run=run))
rows = []
for (model, reward), tables in runs.items():
    rows += causes_table.rows(pd.concat(tables, ignore_index=True), {"model": model, "reward": reward})
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=causes_table.COLUMNS).to_csv(file, index=False)
