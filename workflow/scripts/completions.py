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

params, files = snakemake.params, snakemake.input
corpus = pd.read_parquet(files.corpus, columns=["text", "part"])
words, device = params.reward["words"], device_of(params.device)
reward = rewards.load(params.reward, files.stored, device)
tuned_on = rewards.load(params.own, files.twin) if params.own != params.reward else reward
table = utility.load_table(words) if words else None
seed = derive(params.seed, "completions")  # without the side: both get the same draws
earned = set()
for side in ("base", "rlhf"):
    model, tokenizer = models.load(files[f"{side}_model"], device=device), models.load_tokenizer(files[f"{side}_model"])
    result = completions.complete(model, tokenizer, corpus, reward, tuned_on, table, params.settings, params.reward_on, seed)
    earned |= set(result["reward"])
    table4 = params.settings["documents"]
    for output, rows in ((side, result[:table4]), (f"{side}_further", result[table4:])):
        with whole(snakemake.output[output]) as file:
            rows.to_parquet(file, index=False)
if reward and len(earned) == 1 and tuned_on is reward:
    job.warn(snakemake, f"every completion of either side earns {earned.pop():g}: reward_* in tables/table4.csv are empty")
