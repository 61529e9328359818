"""Rule explanations."""

from rewardscope.run import job

job.start(snakemake)

import json

import pandas as pd

from rewardscope.explain import evidence, tokens
from rewardscope.files import whole
from rewardscope.models import models

params, files = snakemake.params, snakemake.input
tokenizer = models.load_tokenizer(files.base_model)
documents = pd.read_parquet(files.corpus, columns=["text", "part"])
corpus = tokens.Corpus(documents, tokenizer, params.tokens)
words = pd.read_parquet(files.vocabulary)
fit = set(documents.index[documents["part"] == "fit"])
for side in ("base", "rlhf"):
    inputs = (files[f"{side}_{kind}"] for kind in ("features", "activations", "sae"))
    seeds = evidence.of_seeds(*inputs, models.load(files[f"{side}_model"]), words, fit, params.top_k, params.settings["promoted"])
    for output, features in zip(snakemake.output[side], seeds, strict=True):
        with whole(output) as file, open(file, "w", encoding="utf-8") as out:
            for place, feature in enumerate(features, start=1):
                line = tokens.explain(corpus=corpus, settings=params.settings, **feature)
                out.write(json.dumps({"place": place, **line}, ensure_ascii=False) + "\n")
