"""Rule table7."""

from rewardscope.figures import swept
from rewardscope.run import job

job.start(snakemake)

from rewardscope.activations import picks
from rewardscope.files import whole
from rewardscope.tables import table7

params, files = snakemake.params, snakemake.input
rows = swept.gather(params.places, files.metrics, picks.read(params.pairs, files.layers), params.side)
with whole(snakemake.output.table) as file:
    table7.table(rows).to_csv(file, index=False)
