"""Rule section6_2."""
from rewardscope import job

job.start(snakemake)

import json
from pathlib import Path

import pandas as pd

from rewardscope import plots, rewards, section6_2, table3
from rewardscope.files import whole
from rewardscope.seeds import derive

params, files, output = snakemake.params, snakemake.input, snakemake.output
layers = {pair: json.loads(Path(file).read_text()) for pair, file in zip(params.pairs, files.layers, strict=True)}
places: dict[str, list[dict]] = {pair: [] for pair in params.pairs}
for (pair, pick, seed, sample), base, rlhf in zip(params.places, files.base, files.rlhf, strict=True):
    place = {"run": pair.split("/")[3], "layer": layers[pair][pick], "seed": seed, "sample": sample}
    places[pair].append({**place, "base": table3.read(base), "rlhf": table3.read(rlhf)})
points = []
for pair, base, rlhf in zip(params.pairs, files.base_completions, files.rlhf_completions, strict=True):
    _, model, reward, run = pair.split("/")
    names = {"model": model, "reward": reward, "run": run, "kl": params.kl[pair]}
    completions, table = (pd.read_parquet(base), pd.read_parquet(rlhf)), rewards.load_table(params.words[pair])
    seed = derive(params.seed, "table4")  # the same resamples, and so the same interval, as in Table 4
    points.append(section6_2.point(places[pair], completions, table, params.top_k, params.resamples, seed, names))
points = pd.DataFrame(points)
correlations = section6_2.correlations(points, params.resamples, params.seed)
for frame, path in ((points, output.data), (correlations, output.table)):
    with whole(path) as file:
        frame.to_csv(file, index=False)
plots.save(section6_2.draw(points, correlations), output.svg, output.png)
