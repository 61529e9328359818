"""Rule vocabulary."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.files import whole
from rewardscope.models import models
from rewardscope.rewards import vocabulary

texts = pd.read_parquet(snakemake.input.corpus, columns=["text"])["text"].tolist()
with whole(snakemake.output.vocabulary) as file:
    vocabulary.whole_words(texts, models.load_tokenizer(snakemake.input.model)).to_parquet(file, index=False)
