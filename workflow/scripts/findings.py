"""Rule findings."""

from rewardscope.run import job

job.start(snakemake)

import json

import pandas as pd
from safetensors.torch import load_file

from rewardscope.activations import moments
from rewardscope.checksums import intact
from rewardscope.errors import UserError
from rewardscope.files import read_json, whole
from rewardscope.findings import findings, samples
from rewardscope.findings.families import Joint, Place
from rewardscope.findings.kinds import NOT_GIVEN
from rewardscope.models import models
from rewardscope.numerics import device_of
from rewardscope.rewards import rewards
from rewardscope.sae import crosscoder
from rewardscope.sae.model import from_tensors
from rewardscope.seeds import derive

params, files = snakemake.params, snakemake.input
layers, device, settings = read_json(files.layers), device_of(params.device), params.settings
base, tuned = (models.load(folder, device=device) for folder in (files.base_model, files.rlhf_model))
tokenizer = models.load_tokenizer(files.base_model)
corpus = pd.read_parquet(files.corpus, columns=["text", "part"])
sequences, side = samples.write(base, tuned, tokenizer, corpus, settings, derive(params.seed, "findings", snakemake.wildcards.pair))
sampled = samples.sampled(base, tuned, sequences, settings["prefix"], sorted({layers[pick] for pick in params.picks}), params.at)
reward = rewards.load(params.reward, files.stored, device)
gained, credit, problem = findings.credits(sampled, reward, tokenizer, params.reward_on)
places = []
for p, pick in enumerate(params.picks):
    stored = files.saes[p * len(params.seeds) : (p + 1) * len(params.seeds)]
    saes = {seed: from_tensors(load_file(intact(file))) for seed, file in zip(params.seeds, stored, strict=True)}
    joint = []
    for kind, file in zip(("shared", "difference"), files.joint[2 * p : 2 * p + 2], strict=False):  # of first runs
        tensors = load_file(intact(file))
        joint.append(Joint(kind, from_tensors(tensors), tensors["scale"].item()))
    joint += [Joint("crosscoder", *crosscoder.from_tensors(load_file(intact(file)))) for file in files.crosscoders[p : p + 1]]
    count, seed = next(iter(saes.values())).w_enc.shape[1], derive(params.seed, "findings directions", snakemake.wildcards.pair, pick)
    places.append(Place(pick, layers[pick], saes, moments.random_rows(load_file(files.moments[p]), count, seed), tuple(joint)))
seeds = [(pick, seed) for pick in params.picks for seed in params.seeds]
ranked = {
    of: pd.read_parquet(file).query("place <= @params.top_k")["small"].tolist()
    for of, file in zip(seeds, files.features, strict=bool(files.features))
}
try:
    run = findings.Run(base, tuned, sampled, side, samples.pieces(tokenizer, sequences), places)
    table = findings.find(run, credit, gained, settings["kept"])
    changes = findings.changed(run, ranked)
except UserError as error:
    table, problem = pd.DataFrame(columns=findings.COLUMNS), str(error)
    changes = pd.DataFrame(columns=findings.CHANGES)
told = f"{snakemake.wildcards.pair}: {problem}: no list of findings with the reward"
if problem == NOT_GIVEN:  # as the config says, so it is nothing to warn of
    job.log.info("%s", told)
elif problem:
    job.warn(snakemake, told)
with whole(snakemake.output.table) as file:
    table.to_parquet(file, index=False)
with whole(snakemake.output.changes) as file:
    changes.to_parquet(file, index=False)
with whole(snakemake.output.facts) as file:
    file.write_text(json.dumps(findings.facts(sampled, side, gained, problem), indent=1) + "\n")
