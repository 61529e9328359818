"""Rule table6."""
from rewardscope import job

job.start(snakemake)

from rewardscope import picks, plots, sweeps, table6
from rewardscope.files import whole

params, files, output = snakemake.params, snakemake.input, snakemake.output
layers = picks.read(params.pairs, files.layers)
rows, curves = (sweeps.gather(params.places, paths, layers, params.side) for paths in (files.metrics, files.training))
points = table6.points(curves)
for table, path in ((table6.table(rows, curves), output.table), (points, output.data)):
    with whole(path) as file:
        table.to_csv(file, index=False)
plots.save(table6.draw(points), output.svg, output.png)
