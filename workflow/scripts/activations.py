"""Rule activations."""

from rewardscope.run import job

job.start(snakemake)

import shutil
from pathlib import Path

import pandas as pd

from rewardscope.activations import batches, extract, moments
from rewardscope.activations.picks import pinned
from rewardscope.checksums import known
from rewardscope.files import finished, link, read_json, resumable, whole
from rewardscope.models import models, weights
from rewardscope.numerics import device_of, precision_of
from rewardscope.seeds import derive

params, files, output = snakemake.params, snakemake.input, snakemake.output
device = device_of(params.device)
work = resumable(job.work(snakemake), inputs=[known(file) for file in files], params=dict(params.items()), device=str(device))
layers = read_json(files.layers) if files.layers else pinned(params.picks)
model = models.load(files.model, precision_of(params.settings["precision"], device), device)
tokenizer = models.load_tokenizer(files.model)
corpus = pd.read_parquet(files.corpus, columns=["text", "part"])
share = batches.Share(*params.share)
plan = batches.plan(tokenizer, corpus, params.settings, params.seed, params.corpus)
if weights.stay(model):
    job.log.info("memory has no room for the weights: each module's are read from their files as it runs, none above layer %d", max(layers.values()))
else:
    some = plan.inputs(plan.batches[0])[0][:2, :16].to(device)
    agreement = models.check_promoted(model, params.settings["at"], some, derive(params.seed, "check of promoted"))  # before the hours that follow
    job.log.info("a model steered along a direction agrees with what that promotes: correlation %.3f", agreement)
extract.extract(model, plan, layers, params.settings, work, share)
for p, (pick, shards_folder) in enumerate(zip(params.picks, output.shards, strict=True)):
    for further in Path(shards_folder).parent.glob("part*"):  # left by more jobs than there are now: they would be read
        if int(further.name.removeprefix("part")) >= share.jobs:
            shutil.rmtree(further, ignore_errors=True)
    with whole(shards_folder) as folder:
        link(work / pick / f"part{share.p}", folder)
    if share.jobs == 1:
        with whole(output.moments[p]) as file:
            moments.save(moments.total(sorted((work / pick / "sums").iterdir())), file)
    else:
        with whole(output.sums[p]) as folder:
            link(work / pick / "sums", folder)
with whole(output.tokens) as file:
    link(work / "tokens.parquet", file)
finished(work)
job.log.info("layers %s", layers)
