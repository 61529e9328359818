"""Rule scores."""

from rewardscope.run import job

job.start(snakemake)

from pathlib import Path

import pandas as pd

from rewardscope.explain import client, prompts
from rewardscope.files import whole
from rewardscope.models import models
from rewardscope.scores import scores, windows
from rewardscope.seeds import derive
from rewardscope.tables import explained

params, files, here = snakemake.params, snakemake.input, snakemake.wildcards
tokenizer = models.load_tokenizer(files.base_model)
index = pd.read_parquet(files.tokens, columns=["document", "part", "position", "token"])
fit = set(index.loc[index["part"] == "fit", "document"])
held = windows.cut(index, params.tokens)
pieces = models.pieces(pd.read_parquet(files.corpus, columns=["text"])["text"], tokenizer, params.limit)
cases, outputs = [], []  # of both sides, every seed and sample
for side in ("base", "rlhf"):
    for s, seed in enumerate(params.seeds):
        fires = pd.read_parquet(files[f"{side}_activations"][s], filters=[("control", "==", False)])
        for sample in range(params.samples):
            file = s * params.samples + sample
            rng = derive(params.seed, here.scorer, side, here.pick, seed)  # the same windows for every sample
            lines = explained.explanations(files[side][file])
            cases.append(scores.cases(here.scorer, lines, fires, fit, held, params.windows, rng))
            outputs.append(snakemake.output[side][file])
every = [case for of in cases for case in of]
if here.explainer == "openai":
    settings = {**params.llm, **params.server}

    def ask(requests):
        return client.ask([{"model": settings["model"], **request} for request in requests], settings, Path(params.cache))

    prompt = prompts.load(files.prompt, prompts.SCORING[here.scorer])
    order = derive(params.seed, "order of requests", here.pair, here.pick, here.scorer)
    predictions, costs = scores.by_llm(here.scorer, every, held, pieces, prompt, order, ask)
else:
    predictions, costs = scores.by_words(here.scorer, every, held, pieces), [0.0] * len(every)
start = 0
for of, output in zip(cases, outputs, strict=True):
    rows = slice(start, start := start + len(of))
    with whole(output) as file:
        scores.score(here.scorer, of, predictions[rows]).assign(cost=costs[rows]).to_parquet(file, index=False)
