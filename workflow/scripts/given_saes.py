"""Rule given_saes."""

from rewardscope.run import job

job.start(snakemake)

import json
from pathlib import Path

import pandas as pd
from safetensors.torch import save_file

from rewardscope import checksums
from rewardscope.activations import shards
from rewardscope.export import saelens
from rewardscope.files import sweep, whole
from rewardscope.numerics import device_of, gpu_memory
from rewardscope.run.budget import need_memory
from rewardscope.sae import train

params, files, made, here = snakemake.params, snakemake.input, snakemake.output, snakemake.wildcards
given, folder = Path(files.files[0]).parent, Path(files.shards[0]).parent  # the latter of this layer's parts
width, device = int(here.width), device_of(params.device)
sweep(job.work(snakemake, f"activations/{here.site}"))  # Snakemake has recorded the activations, or this job would not run
shard_tokens, d = shards.shape(shards.files(folder, "fit")[0])
need_memory(
    train.memory(1, width, d, 0, shard_tokens),
    f"reading an autoencoder of width {width}",
    "lower activations.shard_tokens, or give a smaller one",
    snakemake.resources.get("mem_mb"),
    gpu_memory(device),
)
sae = saelens.from_elsewhere(given, width, d)
metrics, fires = train.evaluate(sae.to(device), lambda: shards.buffers(folder, "held", None, device))
if metrics[0]["fvu"] >= 1:
    job.warn(snakemake, f"{given} reconstructs held tokens worse than their mean does (FVU {metrics[0]['fvu']:.3g}): is it of this model and layer?")
cfg = {"d_model": d, "width": width, "side": params.side, "pick": here.pick, "tied": sae.tied, "l1": None, "given": str(given)}
with whole(made.sae) as file:
    save_file({**sae.tensors(0), "fires": fires[0]}, file)
with whole(made.cfg) as file:
    file.write_text(json.dumps(cfg, indent=1, sort_keys=True) + "\n")
with whole(made.training) as file:
    pd.DataFrame(columns=["step", "epoch", "tokens", *train.LOSSES]).to_parquet(file, index=False)  # nothing was trained here
with whole(made.metrics) as file:
    file.write_text(json.dumps(metrics[0], indent=1, sort_keys=True) + "\n")
checksums.write(Path(made.checksums).parent)
