"""Rule tuned."""
from rewardscope import job

job.start(snakemake)

from rewardscope import agreement, base_model, checkpoints, checksums
from rewardscope.files import whole

with whole(snakemake.output.model) as folder:
    source = checkpoints.fetch(snakemake.params.entry, folder, snakemake.output.source)
    agreement.agree(snakemake.input.base, folder)
    checksums.write(folder)
with whole(snakemake.output.source) as file:
    base_model.save_source(source, file)
