"""Rule base_model."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope import asked, checksums
from rewardscope.files import finished, resumable, whole
from rewardscope.models import checkpoints, pretrain
from rewardscope.numerics import device_of

params, files = snakemake.params, snakemake.input
entry, work = params.entry, None
with whole(snakemake.output.model) as folder:
    if entry["pretrain"]:
        device, seed = device_of(params.device), params.seed if entry["pretrain"]["seed"] is None else entry["pretrain"]["seed"]
        work = resumable(job.work(snakemake), inputs=[checksums.known(files.corpus)], params=dict(params.items()), device=str(device))
        texts = pd.read_parquet(files.corpus, columns=["text"])["text"].tolist()
        checkpoints.save(*pretrain.pretrain(texts, entry["pretrain"], seed, device, work), folder)
        source = {"pretrained": entry["pretrain"], "seed": seed}
    else:
        reads = asked.of_model(snakemake.config, snakemake.wildcards.model)  # tried, and in nothing that is written: no params
        source = checkpoints.fetch(entry, folder, snakemake.output.source, reads=reads)
    checksums.write(folder)
with whole(snakemake.output.source) as file:
    checkpoints.save_source(source, file)
if work:
    finished(work)
