"""Rule table3."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.files import whole
from rewardscope.rewards import utility
from rewardscope.tables import explained, table3

params, files = snakemake.params, snakemake.input
rows = [
    table3.row(places, utility.load_table(params.words[places[0]["pair"]]), params.top_k, {"model": model, "reward": reward})
    for (model, reward), places in explained.places(params.places, picks.read(params.pairs, files.layers), files.base, files.rlhf).items()
]
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows, columns=None if rows else explained.COLUMNS).to_csv(file, index=False)
