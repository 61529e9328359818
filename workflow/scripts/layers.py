"""Rule layers."""

from rewardscope.run import job

job.start(snakemake)

import json

import pandas as pd

from rewardscope.activations import picks
from rewardscope.files import whole

divergence, names = [pd.read_csv(file) for file in snakemake.input.divergence], snakemake.params.picks
chosen = picks.pick(pd.concat(divergence), names) if divergence else picks.pinned(names)
with whole(snakemake.output.layers) as file:
    file.write_text(json.dumps(chosen) + "\n")
