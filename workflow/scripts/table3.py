"""Rule table3."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.files import whole
from rewardscope.rewards import utility
from rewardscope.seeds import derive
from rewardscope.tables import explained, promoted, table3

params, files = snakemake.params, snakemake.input
of_pair = dict(zip(params.pairs, zip(files.vocabulary, files.controls, files.completions, strict=True), strict=True))
layers = picks.read(params.pairs, files.layers)
groups = explained.places(params.places, layers, files.base, files.rlhf)
measured = {}
for (model, reward), places in groups.items():
    pairs = list(dict.fromkeys(place["pair"] for place in places))
    controls = explained.controls({pair.rsplit("/", 1)[1]: of_pair[pair][1] for pair in pairs})
    written = promoted.written([of_pair[pair][2] for pair in pairs])
    table, vocabulary = utility.load_table(params.words[pairs[0]]), pd.read_parquet(of_pair[pairs[0]][0])
    seed = derive(params.seed, "placebo tables", model, reward)
    measured[model, reward] = table3.measured(places, table, params.top_k, vocabulary, controls, written, seed)
others, count = {}, len(params.controlled)
for r, recipe in enumerate(params.controls):
    sides = (files[f"control_{side}"][r * count : (r + 1) * count] for side in ("base", "rlhf"))
    for (model, reward), places in explained.places(params.controlled, layers, *sides).items():
        pair = places[0]["pair"]
        table, vocabulary = utility.load_table(params.words[pair]), pd.read_parquet(of_pair[pair][0])
        others[recipe, model, reward] = table3.measured(places, table, params.top_k, vocabulary)
rows = []
for (model, reward), places in groups.items():
    twins = [measured[model, twin] for twin, true in params.twins.items() if true == reward and (model, twin) in measured]
    recipes = [(recipe, others[recipe, model, reward]) for recipe in params.controls if (recipe, model, reward) in others]
    rows.append(table3.row(measured[model, reward], places, params.top_k, {"model": model, "reward": reward}, twins, recipes))
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=None if rows else explained.COLUMNS).to_csv(file, index=False)
