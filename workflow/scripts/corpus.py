"""Rule corpus."""

from rewardscope.run import job

job.start(snakemake)

from rewardscope.data import corpus, documents
from rewardscope.files import whole

entry, seed = snakemake.params.entry, snakemake.params.seed
if entry["generate"]:
    parts, source = corpus.generate(entry["generate"], seed), {"generate": entry["generate"]}
else:
    parts, source = documents.read(entry, seed)
    if entry["path"] and entry["path"]["train"] == entry["path"]["test"]:
        parts = corpus.share_out(parts)
job.log.info("from %s", source)
if doubt := corpus.doubt(parts["train"]):
    job.warn(snakemake, doubt)
for part, frame in corpus.finish(parts, entry["held"]).items():
    with whole(snakemake.output[part]) as file:
        frame.to_parquet(file, index=False)
    job.log.info("%s: %d documents", part, len(frame))
