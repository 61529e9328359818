"""Rule saes."""

from rewardscope.run import job

job.start(snakemake)

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from rewardscope import checksums
from rewardscope.activations import shards
from rewardscope.files import finished, resumable, sweep, whole
from rewardscope.numerics import device_of, gpu_memory
from rewardscope.run.budget import need_memory, need_width
from rewardscope.sae import sparsity, train
from rewardscope.seeds import derive

params = snakemake.params
recipe = sparsity.settled(params.recipe, snakemake.input.l1)
pick, width = snakemake.wildcards.pick, int(snakemake.wildcards.width)
site = snakemake.wildcards.site  # in every seed: runs, rewards and models share no noise of their SAEs
folder = Path(snakemake.input.shards[0]).parent  # of this layer's parts
device = device_of(params.device)
sweep(job.work(snakemake, f"activations/{site}"))  # Snakemake has recorded the activations, or this job would not run
work = resumable(job.work(snakemake), inputs=[checksums.known(file) for file in snakemake.input], params=dict(params.items()), device=str(device))
batch = train.batch_tokens(recipe["batch_documents"], load_file(snakemake.input.moments))
shard_tokens, d = shards.shape(shards.files(folder, "fit")[0])
need_width(width, d)
need_memory(
    train.memory(len(params.seeds), width, d, batch, shard_tokens),
    f"training {len(params.seeds)} autoencoders of width {width}",
    "lower sae_seeds, the width or activations.shard_tokens",
    snakemake.resources.get("mem_mb"),
    gpu_memory(device),
)
source = shards.shuffled(folder, lambda epoch: derive(params.seed, "shards", site, pick, epoch), device)
seeds = [derive(params.seed, "sae", site, pick, width, seed) for seed in params.seeds]
model, rows = train.train(source, d, width, recipe, recipe["l1"], batch, seeds, device, work)
metrics, fires = train.evaluate(model, lambda: shards.buffers(folder, "held", None, device))
for s, seed in enumerate(params.seeds):
    cfg = {"d_model": d, "width": width, "seed": seed, "batch_tokens": batch, "side": params.side, "pick": pick, **recipe}
    with whole(snakemake.output.sae[s]) as file:
        save_file({**model.tensors(s), "fires": fires[s]}, file)
    with whole(snakemake.output.cfg[s]) as file:
        file.write_text(json.dumps(cfg, indent=1, sort_keys=True) + "\n")
    with whole(snakemake.output.training[s]) as file:
        train.training_log(rows, s).to_parquet(file, index=False)
    with whole(snakemake.output.metrics[s]) as file:
        file.write_text(json.dumps(metrics[s], indent=1, sort_keys=True) + "\n")
    checksums.write(Path(snakemake.output.checksums[s]).parent)
finished(work)
