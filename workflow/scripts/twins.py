"""Rule twins."""

from rewardscope.run import job

job.start(snakemake)

import json

import pandas as pd

from rewardscope.files import whole
from rewardscope.numerics import device_of
from rewardscope.rewards import rewards, twins, utility
from rewardscope.seeds import derive

params, files = snakemake.params, snakemake.input
texts = pd.read_parquet(files.corpus, columns=["text"])["text"].tolist()
words = params.reward["words"]
table = utility.load_table(words) if words else None
true = rewards.load(params.reward, files.stored, device_of(params.device))
twin = twins.make(params.kind, texts, params.length, true, table, derive(params.seed, "twin", snakemake.wildcards.reward))
with whole(snakemake.output.twin) as file:
    file.write_text(json.dumps(twin, indent=1, sort_keys=True) + "\n", encoding="utf-8")
