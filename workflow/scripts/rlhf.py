"""Rule rlhf."""

from rewardscope.run import job

job.start(snakemake)

import json
import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # each of TRL's trainers would send a ping

import pandas as pd

from rewardscope import checksums
from rewardscope.files import finished, resumable, whole
from rewardscope.models import agreement, models
from rewardscope.models.trial import trial
from rewardscope.numerics import device_of
from rewardscope.rewards import rewards, spread
from rewardscope.rlhf import dpo, online, ppo
from rewardscope.seeds import derive

TRAIN = {"ppo": ppo.train, "dpo": dpo.train, "grpo": online.train, "rloo": online.train}

params, files = snakemake.params, snakemake.input
device = device_of(params.device)
trial(str(files.model), models.load(files.model), params.at, {})  # `base_model` has tried it, unless it has changed since
trained = {name: value for name, value in params.items() if name != "at"}
work = resumable(job.work(snakemake), inputs=[checksums.known(file) for file in files], params=trained, device=str(device))
_, model, reward, run = snakemake.wildcards.pair.split("/")
seed = derive(params.seed, "rlhf", model, reward, run)
prompts = derive(params.seed, "prompts", model, params.corpus, run)  # without the reward: a twin gets the same ones
texts = pd.read_parquet(files.train, columns=["text"])["text"].tolist()
judge = rewards.load(params.reward, files.stored, device)
if not params.reward["twin_of"] and (doubt := spread.doubt(reward, *spread.ends(judge, texts), len(texts))):
    words = "; are words of its lexicon in them?" * bool(params.reward["words"])
    job.warn(snakemake, f"{doubt}, and tuning has nothing to learn{words}")
settings = params.settings
if "preferences" in settings:  # of the hub too they are a file by now
    settings = {**settings, "preferences": {**settings["preferences"], "path": str(files.preferences)}}
method = settings["method"]
policy, training = TRAIN[method](files.model, texts, judge, settings, seed, prompts, work, device)
with whole(snakemake.output.training) as file:
    training.assign(method=method).to_parquet(file, index=False)
with whole(snakemake.output.settings) as file:
    file.write_text(json.dumps(params.settings, indent=1, sort_keys=True) + "\n")
with whole(snakemake.output.model) as folder:
    policy.save_pretrained(folder)
    models.load_tokenizer(files.model).save_pretrained(folder)
    checksums.write(folder)
    if agreement.equal(files.model, folder) and not params.reward["twin_of"]:
        noise = "base and RLHF are one model, and what tables say of their features is the autoencoders' noise"
        job.warn(snakemake, f"{method.upper()} on the reward {reward} changed no weight: {noise}")
finished(work)
