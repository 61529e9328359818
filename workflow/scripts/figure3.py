"""Rule figure3."""

from rewardscope.run import job

job.start(snakemake)

import pandas as pd

from rewardscope.figures import figure3, plots
from rewardscope.files import whole

files, output = snakemake.input.divergence, snakemake.output
names = [pair.split("/")[1:3] for pair in snakemake.params.pairs]
points = figure3.points([(model, reward, pd.read_csv(file)) for (model, reward), file in zip(names, files, strict=True)])
with whole(output.data) as file:
    points.to_csv(file, index=False)
plots.save(figure3.draw(points), output.svg, output.png)
