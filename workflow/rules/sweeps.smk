# Appendix H: short trainings with some of the recipe's keys changed. No autoencoder of them is kept.
rule sweeps:
    input:
        shards=shard_folders(at("{site}/activations/{pick}")),
        moments=at("{site}/activations/{pick}.moments.safetensors"),
    output:
        metrics=at("{site}/sweeps/{sweep}/{pick}.width{width}.parquet"),
        training=at("{site}/sweeps/{sweep}/{pick}.width{width}.training.parquet"),
    log:
        at("logs/sweeps/{site}/{sweep}.{pick}.width{width}.log"),
    benchmark:
        at("benchmarks/sweeps/{site}/{sweep}.{pick}.width{width}.tsv")
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("saes")
    params:
        code=code("sweeps"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        seeds=CONFIG.sweeps.seeds,
        device=CONFIG.device,
        recipes=sweep_recipes,
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
    benchmark:
        at("benchmarks/figure4.tsv")
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        **sweep_params("l1", CHOSEN),
        code=code("figure4"),
        recipe_l1={pair: l1_of(pair) for pair in swept("l1")},
        recipe_l1_on=CONFIG.sae_recipes[CONFIG.recipe].l1_on,
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
    benchmark:
        at("benchmarks/table6.tsv")
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        **sweep_params("tied", CHOSEN),
        code=code("table6"),
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
    benchmark:
        at("benchmarks/table7.tsv")
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        **sweep_params("tied", PICKS),
        code=code("table7"),
    script:
        "../scripts/table7.py"


TARGETS["figure4"] = [at(f"figures/figure4.{kind}") for kind in ("svg", "png", "csv")]
TARGETS["table6"] = [at("tables/table6.csv"), *(at(f"figures/table6.{kind}") for kind in ("svg", "png", "csv"))]
TARGETS["table7"] = [at("tables/table7.csv")]
