"""Rule activations."""
from rewardscope import job

job.start(snakemake)

import json
from pathlib import Path

import pandas as pd

from rewardscope import activations, models, moments
from rewardscope.checksums import known
from rewardscope.devices import device_of, precision_of
from rewardscope.files import finished, link, resumable, whole
from rewardscope.picks import pinned

params, files, output = snakemake.params, snakemake.input, snakemake.output
device = device_of(params.device)
work = resumable(
    params.work, inputs=[known(file) for file in files], params=dict(params.items()), device=str(device)
)
layers = json.loads(Path(files.layers).read_text()) if files.layers else pinned(params.picks)
model = models.load(files.model, precision_of(params.settings["precision"], device), device)
tokenizer = models.load_tokenizer(files.model)
corpus = pd.read_parquet(files.corpus, columns=["text", "part"])
sums = activations.extract(model, tokenizer, corpus, layers, params.settings, params.seed, work, params.corpus)
for pick, shards_folder, moments_file in zip(params.picks, output.shards, output.moments, strict=True):
    with whole(shards_folder) as folder:
        link(work / pick / "part0", folder)
    with whole(moments_file) as file:
        moments.save(sums[pick], file)
with whole(output.tokens) as file:
    link(work / "tokens.parquet", file)
finished(work)
job.log.info("%d fit tokens at layers %s", sums[params.picks[0]]["tokens"], layers)
