"""Rule table4."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.files import whole
from rewardscope.rewards import utility
from rewardscope.seeds import derive
from rewardscope.tables import table4

params, files = snakemake.params, snakemake.input
sides: dict[tuple, list[tuple]] = {}
for pair, base, rlhf in zip(params.pairs, files.base, files.rlhf, strict=True):
    _, model, reward, _ = pair.split("/")
    sides.setdefault((model, reward, params.words[pair]), []).append((pd.read_parquet(base), pd.read_parquet(rlhf)))
training: dict[tuple, list[pd.DataFrame]] = {}
for pair, file in zip(params.tuned_here, files.training, strict=True):
    training.setdefault(tuple(pair.split("/")[1:3]), []).append(pd.read_parquet(file, columns=["kl"]))
rows = []
for (model, reward, words), runs in sides.items():
    names, table = {"model": model, "reward": reward}, utility.load_table(words) if words else None
    twins = [run for (m, r, _), others in sides.items() if m == model and params.twins.get(r) == reward for run in others]
    of_twins = [run for (m, r), tables in training.items() if m == model and params.twins.get(r) == reward for run in tables]
    kl, twin_kl = table4.last_kl(training.get((model, reward), [])), table4.last_kl(of_twins)
    rows.append(table4.row(runs, table, params.resamples, derive(params.seed, "table4"), names, twins, kl, twin_kl))
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows).to_csv(file, index=False)
