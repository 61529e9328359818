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
finished = corpus.finish(parts, entry["held"])
for reward, lexicon in snakemake.params.lexica.items():
    if not corpus.valued((text for frame in finished.values() for text in frame["text"]), lexicon):
        empty = "reward_* in tables/table4.csv and tables/probe.csv are empty"
        job.warn(snakemake, f"the reward {reward} is the same, 0, for every document: none holds a word of {lexicon}; {empty}")
for part, frame in finished.items():
    with whole(snakemake.output[part]) as file:
        frame.to_parquet(file, index=False)
    job.log.info("%s: %d documents", part, len(frame))
