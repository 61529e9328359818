"""Rule tuned."""

from rewardscope.run import job

job.start(snakemake)

from rewardscope import checksums
from rewardscope.files import whole
from rewardscope.models import agreement, checkpoints

with whole(snakemake.output.model) as folder:
    source = checkpoints.fetch(snakemake.params.entry, folder, snakemake.output.source)
    agreement.agree(snakemake.input.base, folder)
    checksums.write(folder)
with whole(snakemake.output.source) as file:
    checkpoints.save_source(source, file)
