"""Rule llm_explanations."""

from rewardscope.run import job

job.start(snakemake)

import json
from pathlib import Path

import pandas as pd

from rewardscope.explain import chat, evidence, prompts
from rewardscope.files import whole
from rewardscope.models import models
from rewardscope.seeds import derive

params, files = snakemake.params, snakemake.input
tokenizer = models.load_tokenizer(files.base_model)
documents = pd.read_parquet(files.corpus, columns=["text", "part"])
words = pd.read_parquet(files.vocabulary)
fit = set(documents.index[documents["part"] == "fit"])
pieces = models.pieces(documents["text"], tokenizer, params.tokens)
texts = {kind: prompts.load(files[kind], kind) for kind in prompts.EXPLAINING if kind in files.keys()}
features, where = [], []
for side in ("base", "rlhf"):
    inputs = (files[f"{side}_{kind}"] for kind in ("features", "activations", "sae"))
    seeds = evidence.of_seeds(*inputs, models.load(files[f"{side}_model"]), words, fit, params.top_k, params.promoted)
    for s, ranked in enumerate(seeds):
        features += [chat.shown(pieces=pieces, tokens=params.first, reviews=params.reviews, **feature) for feature in ranked]
        where += [(side, s, place) for place in range(1, len(ranked) + 1)]
order = derive(params.seed, "order of requests", snakemake.wildcards.pair, snakemake.wildcards.pick)
settings = {**params.llm, **params.server}
lines = chat.explain(features, texts, params.samples, settings, order, Path(params.cache))
for side in ("base", "rlhf"):
    outputs = iter(snakemake.output[side])
    for s in range(len(params.seeds)):
        for sample in range(len(params.samples)):
            with whole(next(outputs)) as file, open(file, "w", encoding="utf-8") as out:
                for (line_side, seed, place), samples in zip(where, lines, strict=True):
                    if (line_side, seed) == (side, s):
                        out.write(json.dumps({"place": place, **samples[sample]}, ensure_ascii=False) + "\n")
