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
crosscoded: dict[tuple, dict] = {}
for (pair, pick), *files in zip(params.crosscoded, snakemake.input.latents, snakemake.input.latents_null, strict=True):
    crosscoded.setdefault(tuple(pair.split("/")[1:3]), {})[layers[pair][pick]] = tuple(map(pd.read_parquet, files))
groups = {key: pd.concat(tables, ignore_index=True) for key, tables in runs.items()}
rows = []
for (model, reward), table in groups.items():
    names, twins = {"model": model, "reward": reward}, [(model, twin) for twin, true in params.twins.items() if true == reward]
    rows += step4.rows(table, params.top_k, names, [groups[twin] for twin in twins if twin in groups], made[model, reward])
    if (model, reward) in crosscoded:
        rows += step4.crosscoder_rows(crosscoded[model, reward], names, [crosscoded[twin] for twin in twins if twin in crosscoded])
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=step4.COLUMNS).to_csv(file, index=False)
