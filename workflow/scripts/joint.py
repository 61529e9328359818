"""Rule joint."""

from rewardscope.run import job

job.start(snakemake)

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from rewardscope import checksums
from rewardscope.activations import shards
from rewardscope.files import finished, resumable, whole
from rewardscope.numerics import device_of, gpu_memory
from rewardscope.run.budget import need_memory
from rewardscope.sae import joint, sparsity, train
from rewardscope.seeds import derive

params, files, pair, pick = snakemake.params, snakemake.input, snakemake.wildcards.pair, snakemake.wildcards.pick
recipe = sparsity.settled(params.recipe, files.l1)
device, width = device_of(params.device), int(snakemake.wildcards.width)
work = resumable(job.work(snakemake), inputs=[checksums.known(file) for file in files], params=dict(params.items()), device=str(device))
folders = [Path(side[0]).parent for side in (files.base, files.rlhf)]  # of this layer's parts
batch = train.batch_tokens(recipe["batch_documents"], load_file(files.moments))
shard_tokens, d = shards.shape(shards.files(folders[0], "fit")[0])
need_memory(
    2 * train.memory(1, width, d, batch, 2 * shard_tokens),
    f"training an autoencoder of width {width} on both sides",
    "lower the width or activations.shard_tokens",
    snakemake.resources.get("mem_mb"),
    gpu_memory(device),
)
order = lambda epoch: derive(params.seed, "joint shards", pair, pick, epoch)  # the same for both sides
base, tuned = (shards.shuffled(folder, order, device) for folder in folders)
scale = joint.scale(base, tuned)
sources = {"shared": (joint.shared(base, tuned), 1.0), "difference": (joint.difference(base, tuned, scale), scale)}
for kind, (given, factor) in sources.items():
    seeds = [derive(params.seed, "joint sae", pair, pick, kind)]
    model, _ = train.train(given, d, width, recipe, recipe["l1"], batch, seeds, device, work / kind)
    with whole(snakemake.output[kind]) as file:
        save_file({**model.tensors(0), "scale": torch.tensor(factor)}, file)
checksums.write(Path(snakemake.output.shared).parent)
finished(work)
