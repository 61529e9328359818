"""Rule divergence."""

from rewardscope.run import job

job.start(snakemake)

from rewardscope.activations import divergence
from rewardscope.files import whole

table = divergence.divergence(snakemake.input.base, snakemake.input.rlhf)
with whole(snakemake.output.divergence) as file:
    table.to_csv(file, index=False)
