"""Rule perplexity."""

from rewardscope.run import job

job.start(snakemake)

import json

import pandas as pd

from rewardscope.files import whole
from rewardscope.models import models, perplexity
from rewardscope.numerics import device_of

model = models.load(snakemake.input.model, device=device_of(snakemake.params.device))
tokenizer = models.load_tokenizer(snakemake.input.model)
train, test = (pd.read_parquet(file, columns=["text"])["text"].tolist() for file in snakemake.input.corpus)
with whole(snakemake.output.perplexity) as file:
    result = perplexity.compare(model, tokenizer, train, test, snakemake.params.length)
    file.write_text(json.dumps(result, indent=1) + "\n")
