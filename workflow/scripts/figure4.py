"""Rule figure4."""

from rewardscope.run import job

job.start(snakemake)

from rewardscope.activations import picks
from rewardscope.figures import figure4, plots, swept
from rewardscope.files import whole

params, files, output = snakemake.params, snakemake.input, snakemake.output
l1_of = {pair.split("/")[1]: l1 for pair, l1 in params.recipe_l1.items()}
rows = swept.gather(params.places, files.metrics, picks.read(params.pairs, files.layers), params.side)
points = figure4.points(rows.assign(recipe_l1=rows["model"].map(l1_of).where(rows["l1_on"] == params.recipe_l1_on)))
with whole(output.data) as file:
    points.to_csv(file, index=False)
plots.save(figure4.draw(points), output.svg, output.png)
