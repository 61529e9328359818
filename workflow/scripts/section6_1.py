"""Rule section6_1."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.activations import picks
from rewardscope.errors import UserError
from rewardscope.files import whole
from rewardscope.tables import explained, section6_1

params, files = snakemake.params, snakemake.input
if not params.pairs:
    raise UserError("section 6.1 counts opinions on films, and no corpus of pairs has `opinions: films`; there is nothing to make")
rows = []
for (model, reward), places in explained.places(params.places, picks.read(params.pairs, files.layers), files.base, files.rlhf).items():
    rows += section6_1.rows(places, {"model": model, "reward": reward})
with whole(snakemake.output.table) as file:
    pd.DataFrame(rows).to_csv(file, index=False)
