"""Rule crosscoder."""

from rewardscope.run import job

job.start(snakemake)

import json
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file, save_file

from rewardscope import checksums
from rewardscope.activations import shards
from rewardscope.files import finished, resumable, whole
from rewardscope.numerics import device_of, gpu_memory
from rewardscope.run.budget import need_memory
from rewardscope.sae import crosscoder, fire, train
from rewardscope.seeds import derive

params, files, pair, pick = snakemake.params, snakemake.input, snakemake.wildcards.pair, snakemake.wildcards.pick
device, width = device_of(params.device), int(snakemake.wildcards.width)
work = resumable(job.work(snakemake), inputs=[checksums.known(file) for file in files], params=dict(params.items()), device=str(device))
folders = {side: Path(of[0]).parent for side, of in (("base", files.base), ("rlhf", files.rlhf))}  # of this layer's parts
batch = train.batch_tokens(params.recipe["batch_documents"], load_file(files.moments))
shard_tokens, d = shards.shape(shards.files(folders["base"], "fit")[0])
need_memory(
    train.memory(1, width, 2 * d, batch, shard_tokens),
    f"training a crosscoder of width {width}",
    "lower the width or activations.shard_tokens",
    snakemake.resources.get("mem_mb"),
    gpu_memory(device),
)
order = lambda epoch: derive(params.seed, "crosscoder shards", pair, pick, epoch)  # the same for both sides


def in_order(side, part):
    """The rows of a part in row order, whatever the epoch."""
    return lambda _epoch: shards.buffers(folders[side], part, None, device)


def trained(other, kind):
    """The crosscoder of the base and another side, its scale, what is known of its features, and its metrics."""
    fit = [shards.shuffled(folders[side], order, device) for side in ("base", other)]
    scale, seeds = crosscoder.scale(*fit), [derive(params.seed, "crosscoder", pair, pick, kind)]
    rows = crosscoder.side_by_side(*fit, scale)
    model, _ = train.train(rows, 2 * d, width, params.recipe, 0.0, batch, seeds, device, work / kind)
    held_rows = crosscoder.side_by_side(in_order("base", "held"), in_order(other, "held"), scale)
    metrics, _ = train.evaluate(model, lambda: held_rows(0))
    return model, scale, crosscoder.latents(model, lambda: held_rows(0), params.min_fires), metrics[0]


model, scale, latents, metrics = trained("rlhf", "pair")
_, _, null, _ = trained("base", "null")
index = pd.read_parquet(files.tokens, columns=["document", "part", "position"])
rows = crosscoder.side_by_side(in_order("base", "fit"), in_order("rlhf", "fit"), scale)
(fires,) = fire.fire([model], [crosscoder.shown(latents)], rows(0), index[index["part"] == "fit"])
with whole(snakemake.output.sae) as file:
    save_file(crosscoder.tensors(model, scale), file)
for name, table in (("latents", latents), ("null", null), ("fires", fires)):
    with whole(snakemake.output[name]) as file:
        table.to_parquet(file, index=False)
with whole(snakemake.output.metrics) as file:
    file.write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
checksums.write(Path(snakemake.output.sae).parent)
finished(work)
