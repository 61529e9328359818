"""Rule findings_table."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.data.rows import printable
from rewardscope.files import read_json, whole
from rewardscope.findings import findings_table

params = snakemake.params
runs: dict[tuple, list[pd.DataFrame]] = {}
problems: dict[tuple, dict[str, str]] = {}
for pair, file, facts in zip(params.pairs, snakemake.input.tables, snakemake.input.facts, strict=True):
    _, model, reward, run = pair.split("/")
    problems.setdefault((model, reward), {})[run] = read_json(facts)["problem"]
    runs.setdefault((model, reward), []).append(pd.read_parquet(file).assign(run=run))
groups = {key: pd.concat(tables, ignore_index=True) for key, tables in runs.items()}
rows = []
for (model, reward), table in groups.items():
    twins = [groups[model, twin] for twin, true in params.twins.items() if true == reward and (model, twin) in groups]
    beside = pd.concat(twins, ignore_index=True) if twins else None
    names = {
        "model": model,
        "reward": reward,
        "method": params.methods[f"{model}/{reward}"],
        "problem": findings_table.problem(problems[model, reward]),
    }
    scored = findings_table.rows(table, beside, params.kept, params.threshold, names)
    rows += [*scored, *findings_table.unscored(scored, len(problems[model, reward]), params.threshold, names)]
with whole(snakemake.output.table) as file:
    printable(pd.DataFrame(rows, columns=findings_table.COLUMNS)).to_csv(file, index=False)
