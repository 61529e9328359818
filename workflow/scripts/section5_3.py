"""Rule section5_3."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.data.rows import printable
from rewardscope.files import whole
from rewardscope.models import models
from rewardscope.rewards import utility
from rewardscope.seeds import derive
from rewardscope.tables import explained, promoted, section5_3

params, files = snakemake.params, snakemake.input
sources = dict(zip(params.pairs, zip(files.models, files.corpora, files.controls, files.vocabulary, files.completions, strict=True), strict=True))
measured, words = {}, []
for (model, reward), places in explained.places(params.places, picks.read(params.pairs, files.layers), files.base, files.rlhf).items():
    pair, names = places[0]["pair"], {"model": model, "reward": reward}
    folder, corpus, _, vocabulary, _ = sources[pair]
    documents = pd.read_parquet(corpus, columns=["text", "part"])
    held = documents.loc[documents["part"] == "held", "text"].tolist()
    count = section5_3.read_words(held, models.load_tokenizer(folder), params.tokens)
    table = utility.load_table(params.words[pair])
    pairs = list(dict.fromkeys(place["pair"] for place in places))
    controls = explained.controls({pair.rsplit("/", 1)[1]: sources[pair][2] for pair in pairs})
    written = promoted.written([sources[pair][4] for pair in pairs])
    seed = derive(params.seed, "placebo tables", model, reward)  # those of Table 3
    placebos = promoted.placebos(promoted.Yardstick(pd.read_parquet(vocabulary), table), written, seed)
    measured[model, reward] = section5_3.measured(places, table, count, params.least, params.top_k, controls, placebos)
    words += section5_3.word_rows(places, table, count, params.top_k, names)
rows = []
for (model, reward), this in measured.items():
    twins = [measured[model, twin] for twin, true in params.twins.items() if true == reward and (model, twin) in measured]
    rows += section5_3.rows(this, twins, {"model": model, "reward": reward})
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=None if rows else section5_3.COLUMNS).to_csv(file, index=False)
with whole(snakemake.output.words) as file:
    printable(pd.DataFrame(words, columns=section5_3.WORD_COLUMNS)).to_csv(file, index=False)
