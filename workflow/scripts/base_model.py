"""Rule base_model."""
from rewardscope import job

job.start(snakemake.log[0], snakemake.params.torch_threads, snakemake.rule)

import pandas as pd

from rewardscope import base_model
from rewardscope.devices import device_of
from rewardscope.files import whole

settings = snakemake.params.entry
texts = pd.read_parquet(snakemake.input.corpus, columns=["text"])["text"].tolist()
device = device_of(snakemake.params.device)
model, tokenizer = base_model.pretrain(texts, settings, snakemake.params.seed, device)
with whole(snakemake.output.source) as source:
    base_model.save_source({"pretrained": settings, "seed": snakemake.params.seed}, source)
with whole(snakemake.output.model) as folder:
    base_model.save(model, tokenizer, folder)
