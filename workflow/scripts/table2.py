"""Rule table2."""

from rewardscope.run import job

job.start(snakemake)


import pandas as pd

from rewardscope.activations import picks
from rewardscope.files import read_json, whole
from rewardscope.tables import table2

params, files = snakemake.params, snakemake.input
layers = picks.read(params.pairs, files.layers)
cfgs: dict[str, list[dict]] = {}
for model, file in zip(params.models, files.cfg, strict=True):
    cfgs.setdefault(model, []).append(read_json(file))
rows = []
for model, trained in cfgs.items():
    rows += table2.rows(model, trained, [chosen for pair, chosen in layers.items() if pair.split("/")[1] == model])
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows).to_csv(file, index=False)
