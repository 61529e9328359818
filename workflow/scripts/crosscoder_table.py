"""Rule crosscoder_table."""

from rewardscope.run import job

job.start(snakemake)

import json

import pandas as pd
from safetensors.torch import load_file

from rewardscope.activations import picks
from rewardscope.checksums import intact
from rewardscope.explain import evidence, tokens
from rewardscope.files import read_json, whole
from rewardscope.models import models
from rewardscope.sae import crosscoder

params, files = snakemake.params, snakemake.input
layers, rows, alone = picks.read(params.pairs, files.layers), [], []
names = ["model", "reward", "twin_of", "run", "layer"]
measures = ["feature", "fires", "relative_norm", "nu_error", "nu_reconstruction"]
for i, (pair, pick) in enumerate(params.places):
    _, model, reward, run = pair.split("/")
    place = dict(zip(names, (model, reward, params.twins.get(reward), run, layers[pair][pick]), strict=True))
    latents, null, metrics = pd.read_parquet(files.latents[i]), pd.read_parquet(files.null[i]), read_json(files.metrics[i])
    rows.append(place | crosscoder.counts(latents, null) | {key: metrics[key] for key in ("fvu", "l0")})
    features = crosscoder.shown(latents)
    lines = []
    if len(features):
        documents, words = pd.read_parquet(files.corpora[i], columns=["text", "part"]), pd.read_parquet(files.vocabularies[i])
        corpus = tokens.Corpus(documents, models.load_tokenizer(files.models[i]), params.tokens)
        directions = load_file(intact(files.sae[i]))["w_dec_rlhf"][features]
        given = evidence.of_rows(
            features, directions, pd.read_parquet(files.fires[i]), models.load(files.models[i]), words, params.settings["promoted"]
        )
        known = latents.set_index("feature", drop=False)[[*measures, "alone"]]
        lines = [tokens.explain(corpus=corpus, settings=params.settings, **of) | known.loc[of["feature"]].to_dict() for of in given]
    alone += [place | line for line in lines if line["alone"] == "rlhf"]
    with whole(snakemake.output.explanations[i]) as file, open(file, "w", encoding="utf-8") as out:
        for line in lines:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows).to_csv(file, index=False)
with whole(snakemake.output.features) as file:
    pd.DataFrame(alone, columns=[*names, *measures, "activates_on", "promotes"]).astype({"feature": int, "fires": int}).to_csv(file, index=False)
