"""Rule corpus."""
from rewardscope import job

job.start(snakemake.log[0], snakemake.params.torch_threads, snakemake.rule)

from rewardscope import corpus
from rewardscope.files import whole

entry = snakemake.params.entry
parts = corpus.finish(corpus.generate(entry["generate"], snakemake.params.seed), entry["held"])
for part, frame in parts.items():
    with whole(snakemake.output[part]) as file:
        frame.to_parquet(file, index=False)
    job.log.info("%s: %d documents", part, len(frame))
