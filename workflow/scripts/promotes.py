"""Rule promotes."""

from rewardscope.run import job

job.start(snakemake)


import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from rewardscope.checksums import intact
from rewardscope.files import read_json, whole
from rewardscope.models import models
from rewardscope.run.job import progress
from rewardscope.scores import promotes, scores, windows
from rewardscope.seeds import derive
from rewardscope.tables import explained

params, files, here = snakemake.params, snakemake.input, snakemake.wildcards
layer = read_json(files.layers)[here.pick]
words = torch.from_numpy(pd.read_parquet(files.vocabulary, columns=["token"])["token"].to_numpy(copy=True))  # that an explanation may quote
index = pd.read_parquet(files.tokens, columns=["document", "part", "position", "token"])
fit = set(index.loc[index["part"] == "fit", "document"])
held = windows.cut(index, params.settings["tokens"])
drawn = windows.some(np.random.default_rng(derive(params.seed, "promotes", here.pick)), np.arange(len(held.token)), params.settings["windows"])
input_ids = torch.from_numpy(held.token[drawn].astype(np.int64))
for side in ("base", "rlhf"):
    model = models.load(files[f"{side}_model"])
    for s, seed in enumerate(progress(params.seeds, f"seeds of {side}")):
        fires = pd.read_parquet(files[f"{side}_activations"][s], columns=["feature", "document", "value"], filters=[("control", "==", False)])
        sae = load_file(intact(files[f"{side}_sae"][s]))
        rows = sae.get("w_dec", sae["w_enc"])
        for sample in range(params.samples):
            file = s * params.samples + sample
            lines = explained.explanations(files[side][file])
            features = [line["feature"] for line in lines]
            added = params.settings["multiple"] * promotes.means(fires[fires["document"].isin(fit)], features)
            changes = promotes.changes(model, layer, params.at, added[:, None] * rows[features], input_ids)
            others = scores.others(lines, derive(params.seed, "promotes", side, here.pick, seed))
            with whole(snakemake.output[side][file]) as out:
                promotes.score(lines, others, changes, words).assign(added=added.numpy()).to_parquet(out, index=False)
