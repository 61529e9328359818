"""Rule sweeps."""

from rewardscope.run import job

job.start(snakemake)

from pathlib import Path

from safetensors.torch import load_file

from rewardscope import checksums
from rewardscope.activations import shards
from rewardscope.files import finished, resumable, whole
from rewardscope.numerics import device_of, gpu_memory
from rewardscope.run.budget import need_memory, need_width
from rewardscope.sae import sweeps, train
from rewardscope.seeds import derive

params = snakemake.params
site, pick, width = snakemake.wildcards.site, snakemake.wildcards.pick, int(snakemake.wildcards.width)
folder = Path(snakemake.input.shards[0]).parent  # of this layer's parts
device = device_of(params.device)
work = resumable(job.work(snakemake), inputs=[checksums.known(file) for file in snakemake.input], params=dict(params.items()), device=str(device))
batch = train.batch_tokens(params.recipes[0]["batch_documents"], load_file(snakemake.input.moments))
shard_tokens, d = shards.shape(shards.files(folder, "fit")[0])
need_width(width, d)
need_memory(
    train.memory(params.seeds, width, d, batch, shard_tokens),
    f"training {params.seeds} autoencoders of width {width}",
    "lower sweeps.seeds, the width or activations.shard_tokens",
    snakemake.resources.get("mem_mb"),
    gpu_memory(device),
)
source = shards.shuffled(folder, lambda epoch: derive(params.seed, "sweep shards", site, pick, epoch), device)


def held():
    return shards.buffers(folder, "held", None, device)


seeds = [derive(params.seed, "sweep", site, pick, width, seed) for seed in range(1, params.seeds + 1)]
metrics, curves = sweeps.sweep(source, held, d, width, params.recipes, batch, seeds, device, work)
for table, path in ((metrics, snakemake.output.metrics), (curves, snakemake.output.training)):
    with whole(path) as file:
        table.to_parquet(file, index=False)
finished(work)
