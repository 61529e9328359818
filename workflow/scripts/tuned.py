"""Rule tuned."""

from rewardscope.run import job

job.start(snakemake)

from rewardscope import checksums
from rewardscope.files import read_json, whole
from rewardscope.models import agreement, checkpoints

files = snakemake.input
base = checkpoints.Base(files.base, read_json(files.source))
with whole(snakemake.output.model) as folder:
    source = checkpoints.fetch(snakemake.params.entry, folder, snakemake.output.source, base)
    agreement.agree(files.base, folder)
    checksums.write(folder)
with whole(snakemake.output.source) as file:
    checkpoints.save_source(source, file)
