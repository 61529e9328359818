"""Rule rlhf."""
from rewardscope import job

job.start(snakemake)

import pandas as pd

from rewardscope import models, rewards, rlhf
from rewardscope.devices import device_of
from rewardscope.files import checksum, resumable, whole
from rewardscope.seeds import derive

settings, params = snakemake.params.settings, snakemake.params
work = resumable(
    params.work.format(**snakemake.wildcards),
    inputs=[checksum(file) for file in snakemake.input],
    settings=settings,
    code=params.code,
    seed=params.seed,
    threads=params.torch_threads,
)
texts = pd.read_parquet(snakemake.input.train, columns=["text"])["text"].tolist()
device = device_of(params.device)
policy, training = rlhf.train(
    snakemake.input.model,
    texts,
    rewards.load(params.reward, snakemake.input.reward, device),
    settings,
    derive(params.seed, "rlhf", params.run),
    work,
    device,
)
with whole(snakemake.output.training) as file:
    training.to_parquet(file, index=False)
with whole(snakemake.output.model) as folder:
    policy.save_pretrained(folder)
    models.load_tokenizer(snakemake.input.model).save_pretrained(folder)
rlhf.forget(work)
