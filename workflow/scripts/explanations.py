"""Rule explanations."""
from rewardscope import job

job.start(snakemake)

import json

import pandas as pd
import torch
from safetensors.torch import load_file

from rewardscope import explanations, models
from rewardscope.checksums import intact
from rewardscope.files import whole

params, files = snakemake.params, snakemake.input
tokenizer = models.load_tokenizer(files.base_model)
documents = pd.read_parquet(files.corpus, columns=["text", "part"])
corpus = explanations.Corpus(documents, tokenizer, params.tokens)
fit = set(documents.index[documents["part"] == "fit"])
count = params.settings["promoted"]
for side in ("base", "rlhf"):
    model = models.load(files[f"{side}_model"])
    for s in range(len(params.seeds)):
        table = pd.read_parquet(files[f"{side}_features"][s]).head(params.top_k).dropna(subset="place")
        fires = pd.read_parquet(files[f"{side}_activations"][s])
        fires = dict(tuple(fires[fires["document"].isin(fit)].groupby("feature")))
        sae = load_file(intact(files[f"{side}_sae"][s]))
        rows = sae.get("w_dec", sae["w_enc"])[torch.tensor(table["small"].to_numpy())]
        raised, lowered = explanations.strongest(models.promoted(model, rows), tokenizer, count)
        with whole(snakemake.output[side][s]) as file, open(file, "w", encoding="utf-8") as out:
            for i, feature in enumerate(table["small"].tolist()):
                line = explanations.explain(feature, fires.get(feature, explanations.NEVER), corpus, raised[i], lowered[i], params.settings)
                out.write(json.dumps({"place": i + 1, **line}, ensure_ascii=False) + "\n")
