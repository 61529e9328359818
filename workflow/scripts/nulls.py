"""Rule nulls."""

from rewardscope.run import job

job.start(snakemake)


import numpy as np
import pandas as pd
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

from rewardscope.checksums import intact, known
from rewardscope.files import finished, read_json, resumable, whole
from rewardscope.numerics import device_of
from rewardscope.sae import nulls, sparsity, train
from rewardscope.seeds import derive

params, pick, site = snakemake.params, snakemake.wildcards.pick, snakemake.wildcards.site
recipe = sparsity.settled(params.recipe, snakemake.input.l1)
widths, top_k, min_fires = params.widths, params.features["top_k"], params.features["min_fires"]
device = device_of(params.device)
work = resumable(job.work(snakemake), inputs=[known(file) for file in snakemake.input], params=dict(params.items()), device=str(device))
moments = load_file(snakemake.input.moments)
held = read_json(snakemake.input.metrics[0])["tokens"]

# As many random rows as there are living features, so that the best of many is compared with the best of as many.
living = [np.count_nonzero(load_arrays(intact(file))["fires"] >= min_fires) for file in snakemake.input.sae]
per_width = np.reshape(living, (len(widths), -1)).mean(axis=1).round().astype(int)
rows = nulls.random_rows(moments, tuple(map(int, per_width)), params.features["null_draws"], top_k, derive(params.seed, "null rows", site, pick))
tables = [rows]
if not recipe.get("given"):  # nobody knows how to train like those
    trained = nulls.gaussian_pair(
        moments, widths, recipe, recipe["l1"], train.batch_tokens(recipe["batch_documents"], moments), top_k, min_fires, held,
        [derive(params.seed, "null sae", site, pick, width) for width in widths],
        derive(params.seed, "null data", site, pick),
        device, work,
    )  # fmt: skip
    tables.append(trained)
with whole(snakemake.output.null) as file:
    pd.concat(tables, ignore_index=True).to_parquet(file, index=False)
finished(work)
