"""Rule table6."""

from rewardscope.run import job

job.start(snakemake)

from rewardscope.activations import picks
from rewardscope.figures import plots, swept
from rewardscope.files import whole
from rewardscope.tables import table6

params, files, output = snakemake.params, snakemake.input, snakemake.output
layers = picks.read(params.pairs, files.layers)
rows, curves = (swept.gather(params.places, paths, layers, params.side) for paths in (files.metrics, files.training))
points = table6.points(curves)
for table, path in ((table6.table(rows, curves), output.table), (points, output.data)):
    with whole(path) as file:
        table.to_csv(file, index=False)
plots.save(table6.draw(points), output.svg, output.png)
