"""Rule classifier."""
from rewardscope import job

job.start(snakemake)

import pandas as pd

from rewardscope import base_model, checksums, classifier
from rewardscope.files import whole
from rewardscope.numerics import device_of

entry, seed = snakemake.params.entry, snakemake.params.seed
with whole(snakemake.output.model) as folder:
    if settings := entry["train"]:
        corpus = pd.read_parquet(snakemake.input.corpus)
        labels = classifier.labels_of(corpus, settings["corpus"])
        trained = classifier.train(corpus["text"].tolist(), labels, settings, seed, device_of(snakemake.params.device))
        base_model.save(*trained, folder)
        source = {"trained": settings, "seed": seed}
    else:
        source = classifier.fetch(entry, folder, snakemake.output.source)
    checksums.write(folder)
with whole(snakemake.output.source) as file:
    base_model.save_source(source, file)
