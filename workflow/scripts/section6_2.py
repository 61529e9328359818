"""Rule section6_2."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.figures import plots
from rewardscope.files import whole
from rewardscope.rewards import utility
from rewardscope.seeds import derive
from rewardscope.tables import explained, section6_2

params, files, output = snakemake.params, snakemake.input, snakemake.output
places: dict[str, list[dict]] = {pair: [] for pair in params.pairs}
for group in explained.places(params.places, picks.read(params.pairs, files.layers), files.base, files.rlhf).values():
    for place in group:
        places[place["pair"]].append(place)
points = []
for pair, base, rlhf, vocabulary in zip(params.pairs, files.base_completions, files.rlhf_completions, files.vocabulary, strict=True):
    _, model, reward, run = pair.split("/")
    names = {"model": model, "reward": reward, "run": run, "kl": params.kl[pair]}
    completions, table = (pd.read_parquet(base), pd.read_parquet(rlhf)), utility.load_table(params.words[pair])
    seed = derive(params.seed, "table4")  # the same resamples, and so the same interval, as in Table 4
    points.append(section6_2.point(places[pair], completions, table, pd.read_parquet(vocabulary), params.top_k, params.resamples, seed, names))
points = pd.DataFrame(points)
correlations = section6_2.correlations(points, params.resamples, params.seed)
for frame, path in ((points, output.data), (correlations, output.table)):
    with whole(path) as file:
        frame.to_csv(file, index=False)
plots.save(section6_2.draw(points, correlations), output.svg, output.png)
