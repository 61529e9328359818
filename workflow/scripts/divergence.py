"""Rule divergence."""

from rewardscope.run import job

job.start(snakemake)

from rewardscope.activations import divergence
from rewardscope.files import whole
from rewardscope.models import models

table = divergence.divergence(models.load(snakemake.input.base), models.load(snakemake.input.rlhf))
with whole(snakemake.output.divergence) as file:
    table.to_csv(file, index=False)
