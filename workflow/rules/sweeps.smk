# Appendix H: short trainings with some of the recipe's keys changed. No autoencoder of them is kept.
SWEEPS = {
    "l1": [{"l1_on": penalty, "l1": l1} for penalty in ("activations", "weights") for l1 in getattr(CONFIG.sweeps.l1, penalty)],
    "tied": [{"tied": True}, {"tied": False}],
}


def l1_of(pair):
    model = pair.split("/")[1]
    return CONFIG.l1(model, CONFIG.recipe)


def sweep_recipes(wildcards):
    """The recipe of every training of a sweep; a frozen decoder could be neither tied nor penalised."""
    own = {**section(CONFIG.sae_recipes[CONFIG.recipe]), "l1": CONFIG.l1(parts(wildcards)["model"], CONFIG.recipe)}
    own |= {"epochs": CONFIG.sweeps.epochs, "frozen_decoder": False}
    return [{**own, **change} for change in SWEEPS[wildcards.sweep]]


def swept(sweep):
    """The pairs that stand for the sweep's models: the first one of each under `pairs`, its first run."""
    models = getattr(CONFIG.sweeps, sweep).models or CORPUS_OF
    return [next(pair for pair in all_pairs() if pair.split("/")[1] == model) for model in models if model in CORPUS_OF]


def swept_places(sweep, picks):
    return [(pair, pick, width) for pair in swept(sweep) for pick in picks for width in CONFIG.models[pair.split("/")[1]].sae.widths]


def sweep_files(sweep, picks, end=".parquet"):
    side = CONFIG.sweeps.side
    return [at(f"{site_of(pair, side)}/sweeps/{sweep}/{pick}.width{width}{end}") for pair, pick, width in swept_places(sweep, picks)]


def sweep_params(sweep, picks):
    """What a table or figure of a sweep needs to know of its files."""
    return {"places": swept_places(sweep, picks), "pairs": swept(sweep), "side": CONFIG.sweeps.side}


def sweep_layers(sweep):
    return [at(f"{pair}/layers.json") for pair in swept(sweep)]


rule sweeps:
    input:
        shards=shard_folders(at("{site}/activations/{pick}")),
        moments=at("{site}/activations/{pick}.moments.safetensors"),
    output:
        metrics=at("{site}/sweeps/{sweep}/{pick}.width{width}.parquet"),
        training=at("{site}/sweeps/{sweep}/{pick}.width{width}.training.parquet"),
    log:
        at("logs/sweeps/{site}/{sweep}.{pick}.width{width}.log"),
    params:
        code=code("sweeps"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        seeds=CONFIG.sweeps.seeds,
        device=CONFIG.device,
        side=lambda w: parts(w)["side"],
        recipes=sweep_recipes,
        work=at(".work/sweeps/{site}/{sweep}.{pick}.width{width}"),
    threads: threads_of("saes")
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/sweeps.py"


rule figure4:
    input:
        metrics=sweep_files("l1", CHOSEN),
        layers=sweep_layers("l1"),
    output:
        data=at("figures/figure4.csv"),
        svg=at("figures/figure4.svg"),
        png=at("figures/figure4.png"),
    log:
        at("logs/figure4.log"),
    params:
        **sweep_params("l1", CHOSEN),
        code=code("figure4"),
        torch_threads=threads_of("other"),
        recipe_l1={pair: l1_of(pair) for pair in swept("l1")},
        recipe_l1_on=CONFIG.sae_recipes[CONFIG.recipe].l1_on,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/figure4.py"


rule table6:
    input:
        metrics=sweep_files("tied", CHOSEN),
        training=sweep_files("tied", CHOSEN, ".training.parquet"),
        layers=sweep_layers("tied"),
    output:
        table=at("tables/table6.csv"),
        data=at("figures/table6.csv"),
        svg=at("figures/table6.svg"),
        png=at("figures/table6.png"),
    log:
        at("logs/table6.log"),
    params:
        **sweep_params("tied", CHOSEN),
        code=code("table6"),
        torch_threads=threads_of("other"),
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/table6.py"


rule table7:
    input:
        metrics=sweep_files("tied", PICKS),
        layers=sweep_layers("tied"),
    output:
        table=at("tables/table7.csv"),
    log:
        at("logs/table7.log"),
    params:
        **sweep_params("tied", PICKS),
        code=code("table7"),
        torch_threads=threads_of("other"),
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/table7.py"


TARGETS["figure4"] = [at(f"figures/figure4.{kind}") for kind in ("svg", "png", "csv")]
TARGETS["table6"] = [at("tables/table6.csv"), *(at(f"figures/table6.{kind}") for kind in ("svg", "png", "csv"))]
TARGETS["table7"] = [at("tables/table7.csv")]
