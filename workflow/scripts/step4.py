"""Rule step4."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.files import whole
from rewardscope.tables import step4

params = snakemake.params
layers = picks.read(params.pairs, snakemake.input.layers)
runs: dict[tuple, list[pd.DataFrame]] = {}
made: dict[tuple, list[tuple]] = {}
for pair, file in zip(params.pairs, snakemake.input.comparison, strict=True):
    _, model, reward, run = pair.split("/")
    made.setdefault((model, reward), []).extend((run, layers[pair][pick], seed) for pick in params.picks for seed in params.seeds)
    table = pd.read_parquet(file)
    runs.setdefault((model, reward), []).append(table[table["pick"].isin(params.picks)].assign(run=run))
groups = {key: pd.concat(tables, ignore_index=True) for key, tables in runs.items()}
rows = []
for (model, reward), table in groups.items():
    twins = [groups[model, twin] for twin, true in params.twins.items() if true == reward and (model, twin) in groups]
    rows += step4.rows(table, params.top_k, {"model": model, "reward": reward}, twins, made[model, reward])
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=step4.COLUMNS).to_csv(file, index=False)
