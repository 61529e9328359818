"""Rule preferences."""

from rewardscope.run import job

job.start(snakemake)

import json

import pyarrow.parquet as pq

from rewardscope.data import rows, splits
from rewardscope.files import whole

entry, record = snakemake.params.entry, snakemake.output.source
name, revision, split = (entry["hub"][key] for key in ("name", "revision", "split"))
needed = [entry[key] for key in ("prompt", "chosen", "rejected") if entry[key]]
tables, source = splits.read(
    name,
    revision,
    (split,),
    lambda names, where: rows.wanted(names, needed, where, "; rlhf.dpo.preferences names its columns (prompt, chosen, rejected)"),
    "name a local file with path: in place of hub",
    record,
    "set hub.split to one that it has, or ",
)
where, table = tables[split]
job.log.info("%s: %d pairs, from %s", where, len(table), source)
with whole(snakemake.output.pairs) as file:
    pq.write_table(table, file)
with whole(record) as file:
    file.write_text(json.dumps({**source, "split": split}, indent=1, sort_keys=True) + "\n")
