"""Rule moments: what the jobs that share an extraction out leave to be brought together."""

from rewardscope.run import job

job.start(snakemake)

from pathlib import Path

from rewardscope.activations import moments
from rewardscope.checksums import checksum
from rewardscope.errors import UserError
from rewardscope.files import link, whole

files, output = snakemake.input, snakemake.output
if len({checksum(file) for file in files.tokens}) > 1:
    raise UserError("the jobs of this extraction read the corpus into different tokens; delete the activations folder and rerun with one environment")
jobs = len(files.tokens)
for p, moments_file in enumerate(output.moments):
    folders = files.sums[p * jobs : (p + 1) * jobs]
    sums = [file for folder in folders for file in sorted(Path(folder).glob("*.safetensors"))]
    with whole(moments_file) as file:
        moments.save(moments.total(sums), file)
with whole(output.tokens) as file:
    link(files.tokens[0], file)
