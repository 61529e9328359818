"""Rule step4."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.files import whole
from rewardscope.tables import step4

params = snakemake.params
runs: dict[tuple, list[pd.DataFrame]] = {}
for pair, file in zip(params.pairs, snakemake.input.comparison, strict=True):
    _, model, reward, run = pair.split("/")
    table = pd.read_parquet(file)
    runs.setdefault((model, reward), []).append(table[table["pick"].isin(params.picks)].assign(run=run))
rows = [
    row
    for (model, reward), tables in runs.items()
    for row in step4.rows(pd.concat(tables, ignore_index=True), params.top_k, {"model": model, "reward": reward})
]
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=step4.COLUMNS).to_csv(file, index=False)
