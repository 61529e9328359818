"""Rule causes."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd
from safetensors.torch import load_file

from rewardscope.causes import causes
from rewardscope.checksums import intact, known
from rewardscope.files import finished, read_json, resumable, whole
from rewardscope.models import models
from rewardscope.numerics import device_of
from rewardscope.rewards import rewards
from rewardscope.sae.model import from_tensors
from rewardscope.seeds import derive

params, files, pair = snakemake.params, snakemake.input, snakemake.wildcards.pair
layers, device, seed = read_json(files.layers), device_of(params.device), derive(params.seed, "causes", pair)
work = resumable(job.work(snakemake), inputs=[known(file) for file in files], params=dict(params.items()), device=str(device))
tokenizer = models.load_tokenizer(files.base_model)
reward = rewards.load(params.reward, files.stored, device)
both = [models.load(folder, device=device, whole=True) for folder in (files.base_model, files.rlhf_model)]
(base, untold), (tuned, _) = (causes.side(model, list(range(len(models.blocks(model))))) for model in both)
if untold:
    job.warn(snakemake, f"{pair}: {untold}: no MLP is replaced")
corpus = pd.read_parquet(files.corpus, columns=["text", "part"])
judge = causes.judge_of(reward, tokenizer, params.reward_on)
chosen_on, measured_on = causes.tasks(corpus, tokenizer, judge, params.settings, seed)
dictionaries = [
    causes.Dictionary(pick, layers[pick], params.at, from_tensors(load_file(intact(file))).to(device))
    for pick, file in zip(params.picks, files.saes, strict=True)
]
table, problem = causes.of_pair(base, tuned, chosen_on, measured_on, dictionaries, params.settings, seed, work)
if problem:
    job.warn(snakemake, f"{pair}: {problem}")
with whole(snakemake.output.table) as file:
    table.to_parquet(file, index=False)
finished(work)
