"""Rule classifier."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope import checksums
from rewardscope.files import whole
from rewardscope.models import checkpoints
from rewardscope.numerics import device_of
from rewardscope.rewards import classifier

entry, seed = snakemake.params.entry, snakemake.params.seed
with whole(snakemake.output.model) as folder:
    if settings := entry["train"]:
        corpus = pd.read_parquet(snakemake.input.corpus)
        labels = classifier.labels_of(corpus, settings["corpus"])
        trained = classifier.train(corpus["text"].tolist(), labels, settings, seed, device_of(snakemake.params.device))
        checkpoints.save(*trained, folder)
        source = {"trained": settings, "seed": seed}
    else:
        source = classifier.fetch(entry, folder, snakemake.output.source)
    checksums.write(folder)
with whole(snakemake.output.source) as file:
    checkpoints.save_source(source, file)
