"""Rule feature_activations."""

from rewardscope.run import job

job.start(snakemake)

from pathlib import Path

import pandas as pd
from safetensors.torch import load_file

from rewardscope.activations import shards
from rewardscope.checksums import intact
from rewardscope.files import whole
from rewardscope.sae import fire
from rewardscope.sae.model import from_tensors
from rewardscope.seeds import derive

params, here = snakemake.params, snakemake.wildcards
folder = Path(snakemake.input.shards[0]).parent
tokens = pd.read_parquet(snakemake.input.tokens, columns=["document", "position"])
models, chosen = [], []
for s, seed in enumerate(params.seeds):
    table = pd.read_parquet(snakemake.input.features[s])
    rng = derive(params.seed, "controls", here.site, here.pick, seed)
    chosen.append(fire.selection(table, params.top_k, rng))
    models.append(from_tensors(load_file(intact(snakemake.input.sae[s]))))
rows = (x for part in ("fit", "held") for x in shards.buffers(folder, part, None))
fires = fire.fire(models, [of["feature"].to_numpy() for of in chosen], rows, tokens)
for firings, of, path in zip(fires, chosen, snakemake.output.activations, strict=True):
    with whole(path) as file:
        firings.merge(of[["feature", "control"]], on="feature").to_parquet(file, index=False, compression="zstd")
