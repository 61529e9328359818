"""Rule scores."""
from rewardscope import job

job.start(snakemake)

import pandas as pd

from rewardscope import models, scores, table3, windows
from rewardscope.files import whole
from rewardscope.seeds import derive

params, files, here = snakemake.params, snakemake.input, snakemake.wildcards
tokenizer = models.load_tokenizer(files.base_model)
index = pd.read_parquet(files.tokens, columns=["document", "part", "position", "token"])
fit = set(index.loc[index["part"] == "fit", "document"])
held = windows.cut(index, params.tokens)
texts = {token: models.token_text(tokenizer, token) for token in index["token"].unique().tolist()}
cases, outputs = [], []  # of both sides, every seed and sample
for side in ("base", "rlhf"):
    for s, seed in enumerate(params.seeds):
        fires = pd.read_parquet(files[f"{side}_activations"][s], filters=[("control", "==", False)])
        for sample in range(params.samples):
            file = s * params.samples + sample
            rng = derive(params.seed, here.scorer, side, here.pick, seed)  # the same windows for every sample
            lines = table3.read(files[side][file])
            cases.append(scores.cases(here.scorer, lines, fires, fit, held, params.windows, rng))
            outputs.append(snakemake.output[side][file])
predictions = iter(scores.by_words(here.scorer, [case for of in cases for case in of], held, texts))
for of, output in zip(cases, outputs, strict=True):
    with whole(output) as file:
        scores.score(here.scorer, of, [next(predictions) for _ in of]).to_parquet(file, index=False)
