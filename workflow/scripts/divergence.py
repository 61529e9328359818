"""Rule divergence."""
from rewardscope import job

job.start(snakemake)

from rewardscope import divergence, models
from rewardscope.files import whole

table = divergence.divergence(models.load(snakemake.input.base), models.load(snakemake.input.rlhf))
with whole(snakemake.output.divergence) as file:
    table.to_csv(file, index=False)
