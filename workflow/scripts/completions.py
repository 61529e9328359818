"""Rule completions."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.files import whole
from rewardscope.models import models
from rewardscope.numerics import device_of
from rewardscope.rewards import rewards, utility
from rewardscope.rlhf import completions
from rewardscope.seeds import derive

params = snakemake.params
corpus = pd.read_parquet(snakemake.input.corpus, columns=["text", "part"])
words, device = params.reward["words"], device_of(params.device)
reward = rewards.load(params.reward, snakemake.input.stored, device)
own = rewards.load(params.own, snakemake.input.twin) if params.own != params.reward else reward
result = completions.complete(
    models.load(snakemake.input.model, device=device),
    models.load_tokenizer(snakemake.input.model),
    corpus,
    reward,
    own,
    utility.load_table(words) if words else None,
    params.settings,
    params.reward_on,
    derive(params.seed, "completions"),  # without the side: both get the same draws
)
with whole(snakemake.output.completions) as file:
    result.to_parquet(file, index=False)
