"""Rule table5."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.data.rows import printable
from rewardscope.files import whole
from rewardscope.tables import explained, table5

params, files = snakemake.params, snakemake.input
features = {key: pd.read_parquet(file) for key, file in zip(params.features, files.features, strict=True)}
rows = []
for (model, reward), places in explained.places(params.places, picks.read(params.pairs, files.layers), files.base, files.rlhf).items():
    for place in places:
        matched = {side: features[place["pair"], side, place["pick"]] for side in ("base", "rlhf")}
        rows += table5.rows(place, matched, {"model": model, "reward": reward, "run": place["run"]})
order = ["model", "reward", "run", "side", "layer", "place"]
with whole(snakemake.output.table) as file:
    printable(pd.DataFrame(rows, columns=table5.COLUMNS).sort_values(order, kind="stable")).to_csv(file, index=False)
