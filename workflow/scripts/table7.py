"""Rule table7."""
from rewardscope import job

job.start(snakemake)

from rewardscope import picks, sweeps, table7
from rewardscope.files import whole

params, files = snakemake.params, snakemake.input
rows = sweeps.gather(params.places, files.metrics, picks.read(params.pairs, files.layers), params.side)
with whole(snakemake.output.table) as file:
    table7.table(rows).to_csv(file, index=False)
