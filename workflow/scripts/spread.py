"""Rule spread."""

from rewardscope.run import job

job.start(snakemake)

import json

import pandas as pd

from rewardscope.files import whole
from rewardscope.numerics import device_of
from rewardscope.rewards import rewards, spread

params, files = snakemake.params, snakemake.input
texts = pd.read_parquet(files.train, columns=["text"])["text"].tolist()
lowest, highest = spread.ends(rewards.load(params.reward, files.stored, device_of(params.device)), texts)
if doubt := spread.doubt(snakemake.wildcards.reward, lowest, highest, len(texts)):
    job.warn(snakemake, doubt)
with whole(snakemake.output.spread) as file:
    file.write_text(json.dumps({"lowest": lowest, "highest": highest}, indent=1) + "\n")
