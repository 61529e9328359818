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
    made: dict[tuple[str, str], list[tuple]] = {}
    for (pair, side, pick, seed, sample), file in zip(params.places, files[scorer], strict=True):
        _, model, reward, run = pair.split("/")
        place = {"run": run, "side": side, "layer": layers[pair][pick], "seed": seed, "sample": sample}
        groups.setdefault((model, reward), []).append(pd.read_parquet(file).assign(**place))
        made.setdefault((model, reward), []).append((run, place["layer"], seed, sample))
    explained.of_one_explainer({name for frames in groups.values() for frame in frames for name in frame["explainer"]})
    for (model, reward), frames in groups.items():
        told = [frame for frame in frames if len(frame)] or frames[:1]  # without a ranked feature a frame has no types either
        rows += scores_table.rows(pd.concat(told), scorer, {"model": model, "reward": reward}, made[model, reward])
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=scores_table.COLUMNS).to_csv(file, index=False)
