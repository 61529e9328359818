"""Rule sparsity."""

from rewardscope.run import job

job.start(snakemake)

import json
from pathlib import Path

from safetensors.torch import load_file

from rewardscope.activations import shards
from rewardscope.files import whole
from rewardscope.numerics import device_of
from rewardscope.run.budget import need_width
from rewardscope.sae import sparsity, train
from rewardscope.seeds import derive

params, files = snakemake.params, snakemake.input
site, pick, recipe = snakemake.wildcards.site, snakemake.wildcards.pick, params.recipe
folder, device = Path(files.shards[0]).parent, device_of(params.device)  # of this layer's parts
moments = load_file(files.moments)
batch = train.batch_tokens(recipe["batch_documents"], moments)
_, d = shards.shape(shards.files(folder, "fit")[0])
need_width(params.width, d)
source = shards.shuffled(folder, lambda epoch: derive(params.seed, "sparsity shards", site, pick, epoch), device)


def l0_of(l1):
    seeds = [derive(params.seed, "sparsity", site, pick)]  # the same start for every coefficient
    model, _ = train.train(source, d, params.width, recipe, l1, batch, seeds, device)
    metrics, _ = train.evaluate(model, lambda: shards.buffers(folder, "held", None, device))
    job.log.info("L1 %.4g gives L0 %.3g, FVU %.3g", l1, metrics[0]["l0"], metrics[0]["fvu"])
    return metrics[0]["l0"]


deviation = moments["covariance"].diagonal().mean().sqrt().item()
tried = sparsity.search(recipe["l0"], l0_of, 0.1 * deviation)  # a coefficient scales as the activations do
l1, l0 = sparsity.best(recipe["l0"], tried)
with whole(snakemake.output.chosen) as file:
    file.write_text(json.dumps({"l1": l1, "l0": l0, "wanted": recipe["l0"], "tried": tried}, indent=1) + "\n")
