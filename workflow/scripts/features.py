"""Rule features."""

from rewardscope.run import job

job.start(snakemake)

from pathlib import Path

import pandas as pd

from rewardscope.files import whole
from rewardscope.sae import match

params = snakemake.params
folders = [Path(file).parent for file in snakemake.input.sae]
small, large = folders[: len(params.seeds)], folders[len(params.seeds) :]
lines, ranked, selected = [], [], []
for s, seed in enumerate(params.seeds):
    (a, a_ranked), (b, b_ranked) = (match.load(folder, params.min_fires) for folder in (small[s], large[s]))
    table = match.match(a, b, a_ranked, b_ranked)
    lines.append({"seed": seed, **match.summary(table, a, b, a_ranked, b_ranked, params.top_k)})
    ranked.append(a[a_ranked])
    selected.append(a[table.loc[table["place"] <= params.top_k, "small"]])
    with whole(snakemake.output.features[s]) as file:
        table.to_parquet(file, index=False)
with whole(snakemake.output.mmcs) as file:
    pw_mcc = {"pw_mcc": match.consistency(ranked), "pw_mcc_top_k": match.consistency(selected, ranked)}
    pd.DataFrame(lines).assign(**pw_mcc).to_csv(file, index=False)
