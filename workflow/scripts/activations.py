"""Rule activations."""
from rewardscope import job

job.start(snakemake)

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from rewardscope import activations, models, moments
from rewardscope.devices import device_of
from rewardscope.files import whole
from rewardscope.picks import pinned

params, output = snakemake.params, snakemake.output
layers = json.loads(Path(snakemake.input.layers).read_text()) if snakemake.input.layers else pinned(params.picks)
model = models.load(snakemake.input.model, device=device_of(params.device))
tokenizer = models.load_tokenizer(snakemake.input.model)
corpus = pd.read_parquet(snakemake.input.corpus, columns=["text", "part"])
folder = Path(output.tokens).parent
with TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
    sums = activations.extract(
        model, tokenizer, corpus, layers, params.settings, params.seed, Path(partial), params.corpus
    )
    for pick, final in zip(params.picks, output.shards, strict=True):
        with whole(final) as shards:
            (Path(partial) / pick / "part0").rename(shards)
    with whole(output.tokens) as file:
        (Path(partial) / "tokens.parquet").rename(file)
for pick, final in zip(params.picks, output.moments, strict=True):
    with whole(final) as file:
        moments.save(sums[pick], file)
job.log.info("%d fit tokens at layers %s", sums[params.picks[0]]["tokens"], layers)
