"""Rule accuracy."""

from rewardscope.run import job

job.start(snakemake)

import json

import pandas as pd

from rewardscope.files import whole
from rewardscope.models import models
from rewardscope.numerics import device_of
from rewardscope.rewards import accuracy, logits

params, folder = snakemake.params, snakemake.input.model
model = logits.load(folder, device_of(params.device))
label = logits.positive_label(model, params.positive, folder)
result = accuracy.measure(model, models.load_tokenizer(folder), label, pd.read_parquet(snakemake.input.corpus), params.prefix)
with whole(snakemake.output.metrics) as file:
    file.write_text(json.dumps({"corpus": params.corpus, **result}, indent=1) + "\n")
