"""Rule export."""

from rewardscope.run import job

job.start(snakemake)

from pathlib import Path

from rewardscope.activations import picks
from rewardscope.export import card, frames, saelens
from rewardscope.files import whole

params, files = snakemake.params, snakemake.input
results = Path(snakemake.output.export).parent
paths = lambda name: [Path(file) for file in files[name]]
layers = picks.read(params.pairs, files.layers)
tables = {
    "saes": frames.saes(results, paths("saes"), layers),
    "features": frames.features(results, paths("features"), layers),
    "explanations": frames.explanations(results, paths("explanations"), layers),
    "findings": frames.findings(Path(files.findings)),
}
with whole(snakemake.output.export) as folder:
    for file in job.progress(paths("saes"), "autoencoders"):
        place = {name: value for name, value in frames.names("saes", results, file, layers).items() if value is not None}
        model = params.checkpoints[place["model"]] if place["side"] == "base" else f"{place['model']}/{place['reward']}/run{place['run']}"
        hook = saelens.HOOKS[params.at].format(place["layer"])
        target, sae = folder / file.parent.relative_to(results), saelens.load_sae(file.parent)
        place |= {"given": True} if "given" in sae.cfg else {}
        saelens.save_saelens(sae, target, model_name=model, hook_name=hook, rewardscope=place)
    for name, table in tables.items():
        frames.write(table, name, folder / f"{name}.parquet")
    (folder / "README.md").write_text(card.card(tables["saes"], params.tuned, params.hub, params.at), encoding="utf-8")
