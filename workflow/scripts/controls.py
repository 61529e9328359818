"""Rule controls."""

from rewardscope.run import job

job.start(snakemake)


import pandas as pd
import torch
from safetensors.torch import load_file

from rewardscope.activations import moments
from rewardscope.checksums import intact
from rewardscope.explain import controls
from rewardscope.files import read_json, whole
from rewardscope.models import models
from rewardscope.seeds import derive

params, files = snakemake.params, snakemake.input
layers = read_json(files.layers)
words = pd.read_parquet(files.vocabulary)
tuned = {side: models.load(files[f"{side}_model"]) for side in ("base", "rlhf")}
count, rows = len(params.seeds), []
for p, pick in enumerate(params.picks):
    ranked = {
        side: [
            pd.read_parquet(file, columns=["small", "place"]).head(params.top_k).dropna(subset="place")["small"].tolist()
            for file in files[f"{side}_features"][p * count : (p + 1) * count]
        ]
        for side in tuned
    }
    sizes = [min(len(ranked[side][s]) for side in tuned) for s in range(count)]  # equally many of both sides
    for side, other in (("base", "rlhf"), ("rlhf", "base")):
        here = {"side": side, "pick": pick, "layer": layers[pick]}
        of_side = load_file(files[f"{side}_moments"][p])
        for s, seed in enumerate(params.seeds):
            sae = load_file(intact(files[f"{side}_sae"][p * count + s]))
            features = sae.get("w_dec", sae["w_enc"])[torch.tensor(ranked[side][s][: sizes[s]], dtype=torch.long)]
            told = controls.raised(features, tuned[other], words, params.promoted)
            rows += [{"kind": "feature", **here, "through": other, "seed": seed, **row} for row in told]
        for draw in range(1, params.draws + 1):
            drawn = moments.random_rows(of_side, sizes[draw % count], derive(params.seed, "control rows", params.sites[side], pick, draw))
            told = controls.raised(drawn, tuned[side], words, params.promoted)
            rows += [{"kind": "random", **here, "through": side, "seed": draw, **row} for row in told]
columns = ["kind", "side", "through", "pick", "layer", "seed", "place", "rank", "token"]
with whole(snakemake.output.promoted) as file:
    pd.DataFrame(rows, columns=columns).to_parquet(file, index=False)
