"""Rule scores_table."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.files import whole
from rewardscope.tables import explained, scores_table

params, files = snakemake.params, snakemake.input
layers = picks.read(params.pairs, files.layers)
rows = []
for scorer in scores_table.MEASURES:
    groups: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for (pair, side, pick, seed, sample), file in zip(params.places, files[scorer], strict=True):
        _, model, reward, run = pair.split("/")
        place = {"run": run, "side": side, "layer": layers[pair][pick], "seed": seed, "sample": sample}
        groups.setdefault((model, reward), []).append(pd.read_parquet(file).assign(**place))
    explained.of_one_explainer({name for frames in groups.values() for frame in frames for name in frame["explainer"]})
    for (model, reward), frames in groups.items():
        rows += scores_table.rows(pd.concat(frames), scorer, {"model": model, "reward": reward})
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=scores_table.COLUMNS).to_csv(file, index=False)
