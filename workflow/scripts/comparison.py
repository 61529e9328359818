"""Rule comparison."""

from rewardscope.run import job

job.start(snakemake)

from pathlib import Path

import pandas as pd
from safetensors.torch import load_file

from rewardscope.activations import moments, shards
from rewardscope.checksums import intact
from rewardscope.files import read_json, whole
from rewardscope.sae import compare, match
from rewardscope.sae.model import from_tensors
from rewardscope.seeds import derive

params, files = snakemake.params, snakemake.input
layers = read_json(files.layers)
count, tables = len(params.seeds), []
parts = len(files.base_shards) // len(params.picks)
for p, pick in enumerate(params.picks):
    dictionaries, activity = {}, {}
    for side in ("base", "rlhf"):
        saes = files[f"{side}_sae"][p * count : (p + 1) * count]
        dictionaries[side] = [match.load(Path(file).parent, params.min_fires) for file in saes]
        models = [from_tensors(load_file(intact(file))) for file in saes]
        for on in ("base", "rlhf"):  # this side's features on either model's activations
            folder = Path(files[f"{on}_shards"][p * parts]).parent
            activity[side, on] = compare.activity(models, lambda folder=folder: shards.buffers(folder, "held", None))
    for side, other in (("base", "rlhf"), ("rlhf", "base")):
        of_side = load_file(files[f"{side}_moments"][p])
        for s, seed in enumerate(params.seeds):
            matched = pd.read_parquet(files[f"{side}_features"][p * count + s])
            random = moments.random_rows(
                of_side, int(matched["place"].notna().sum()), derive(params.seed, "random rows", params.sites[side], pick, seed)
            )
            table = compare.compare(
                side,
                matched,
                dictionaries[side][s],
                dictionaries[other][s],
                dictionaries[side][(s + 1) % count] if count > 1 else None,
                random.numpy(),
                {on: activity[side, on][0][s] for on in ("base", "rlhf")},
                {on: activity[side, on][1][s] for on in ("base", "rlhf")},
            )
            for name, value in (("seed", seed), ("layer", layers[pick]), ("pick", pick)):
                table.insert(0, name, value)
            tables.append(table)
with whole(snakemake.output.comparison) as file:
    pd.concat(tables, ignore_index=True).to_parquet(file, index=False)
