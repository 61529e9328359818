"""Rules quality and dictionaries."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.files import whole
from rewardscope.tables import quality

params, files = snakemake.params, snakemake.input
layers = picks.read(params.pairs, files.layers)
nulls = dict(zip(map(tuple, params.nulled), files.nulls, strict=True))
seeds, rows = params.seeds, []
for i, (recipe, pair, side, pick) in enumerate(params.places):
    _, model, reward, run = pair.split("/")
    metrics = files.metrics[2 * i * seeds : 2 * (i + 1) * seeds]
    names = {"model": model, "reward": reward, "run": run, "side": side, "pick": pick, "layer": layers[pair][pick], "recipe": recipe}
    rows.append(quality.row({"small": metrics[:seeds], "large": metrics[seeds:]}, files.mmcs[i], nulls.get((recipe, pair, side, pick)), names))
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows).to_csv(file, index=False)
