"""Rule base_model."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope import checksums
from rewardscope.files import whole
from rewardscope.models import checkpoints, pretrain
from rewardscope.numerics import device_of

entry, seed = snakemake.params.entry, snakemake.params.seed
with whole(snakemake.output.model) as folder:
    if entry["pretrain"]:
        texts = pd.read_parquet(snakemake.input.corpus, columns=["text"])["text"].tolist()
        device = device_of(snakemake.params.device)
        checkpoints.save(*pretrain.pretrain(texts, entry["pretrain"], seed, device), folder)
        source = {"pretrained": entry["pretrain"], "seed": seed}
    else:
        asked = snakemake.config  # tried, and in nothing that is written: no reason to fetch it again, so no params
        lengths = {"activations.tokens": asked["activations"]["tokens"]}
        lengths |= {f"{key}.prefix + {key}.new": asked[key]["prefix"] + asked[key]["new"] for key in ("completions", "findings")}
        source = checkpoints.fetch(entry, folder, snakemake.output.source, reads=(asked["activations"]["at"], lengths))
    checksums.write(folder)
with whole(snakemake.output.source) as file:
    checkpoints.save_source(source, file)
