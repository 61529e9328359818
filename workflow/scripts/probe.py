"""Rule probe."""

from rewardscope.run import job

job.start(snakemake)


import pandas as pd

from rewardscope.files import read_json, whole
from rewardscope.models import models
from rewardscope.rewards import rewards
from rewardscope.scores import probe

params, files = snakemake.params, snakemake.input
activations = iter(files.activations)  # by pair, side, layer and seed
folders = dict(zip(params.classified, files.classifiers, strict=True))
texts, scores = {}, {}
for p, pair in enumerate(params.pairs):
    _, model, reward, run = pair.split("/")
    if (model, reward) not in texts:  # runs read the same documents
        tokens = pd.read_parquet(files.tokens[p], columns=["document", "part", "token"])
        parts = tokens.drop_duplicates("document").set_index("document")["part"].sort_index()
        documents, held = parts.index.to_numpy(), (parts == "held").to_numpy()
        corpus = pd.read_parquet(files.corpus[p], columns=["text"])
        judge = rewards.load(params.rewards[pair], folders.get(pair))
        y = probe.document_rewards(corpus, documents, models.load_tokenizer(files.model[p]), params.tokens, judge)
        texts[model, reward] = documents, y, held, probe.text_scores(tokens, documents, y, held)
    documents, y, held, _ = texts[model, reward]
    layers = read_json(files.layers[p])
    for side in ("base", "rlhf"):
        by_layer = {layers[pick]: [next(activations) for _ in params.seeds] for pick in params.picks}
        for s, seed in enumerate(params.seeds):
            fires = {n: pd.read_parquet(of[s], columns=["feature", "document", "value", "control"]) for n, of in by_layer.items()}
            for row in probe.side_scores(fires, documents, y, held):
                scores.setdefault((model, reward), []).append({"run": run, "side": side, "seed": seed, **row})
rows = [
    row
    for (model, reward), (_, _, held, text) in texts.items()
    for row in probe.rows(pd.DataFrame(scores[model, reward]), text, held, {"model": model, "reward": reward})
]
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=probe.COLUMNS).to_csv(file, index=False)
