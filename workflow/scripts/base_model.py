"""Rule base_model."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope import checksums
from rewardscope.files import finished, resumable, whole
from rewardscope.models import checkpoints, pretrain
from rewardscope.numerics import device_of

params, files = snakemake.params, snakemake.input
entry, work = params.entry, None
with whole(snakemake.output.model) as folder:
    if entry["pretrain"]:
        device, seed = device_of(params.device), params.seed if entry["pretrain"]["seed"] is None else entry["pretrain"]["seed"]
        trained = {name: value for name, value in params.items() if name != "asks"}
        work = resumable(job.work(snakemake), inputs=[checksums.known(files.corpus)], params=trained, device=str(device))
        texts = pd.read_parquet(files.corpus, columns=["text"])["text"].tolist()
        checkpoints.save(*pretrain.pretrain(texts, entry["pretrain"], seed, device, work), folder)
        source = {"pretrained": entry["pretrain"], "seed": seed}
    else:
        source = checkpoints.fetch(entry, folder, snakemake.output.source, asks=params.asks)
    checksums.write(folder)
with whole(snakemake.output.source) as file:
    checkpoints.save_source(source, file)
if work:
    finished(work)
