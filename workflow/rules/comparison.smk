def of_every_pick(path, side):
    """Files of one side at every pick, for the recipe that the tables use."""
    return lambda w: [
        at(path.format(site=site_of(w.pair, side), recipe=CONFIG.recipe, pick=pick, seed=seed))
        for pick in CHOSEN
        for seed in (SEEDS if "{seed}" in path else [0])
    ]


def small_of_every_pick(side):
    def of(wildcards):
        width = CONFIG.models[parts(wildcards)["model"]].sae.widths[0]
        return of_every_pick(f"{{site}}/saes/{{recipe}}/{{pick}}/width{width}/seed{{seed}}/sae.safetensors", side)(wildcards)

    return of


def shards_of_every_pick(side):
    picks = of_every_pick("{site}/activations/{pick}", side)
    return lambda wildcards: [folder for path in picks(wildcards) for folder in shard_folders(path)]


rule comparison:
    input:
        layers=at("{pair}/layers.json"),
        base_features=of_every_pick("{site}/features/{recipe}/{pick}/seed{seed}.parquet", "base"),
        rlhf_features=of_every_pick("{site}/features/{recipe}/{pick}/seed{seed}.parquet", "rlhf"),
        base_sae=small_of_every_pick("base"),
        rlhf_sae=small_of_every_pick("rlhf"),
        base_shards=shards_of_every_pick("base"),
        rlhf_shards=shards_of_every_pick("rlhf"),
    output:
        comparison=at("{pair}/comparison.parquet"),
    log:
        at("logs/comparison/{pair}.log"),
    params:
        code=code("comparison"),
        torch_threads=threads_of("other"),
        seeds=SEEDS,
        picks=CHOSEN,
        min_fires=CONFIG.features.min_fires,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/comparison.py"


TARGETS["comparison"] = [at(f"{pair}/comparison.parquet") for pair in all_pairs()]


rule step4:
    input:
        comparison=[at(f"{pair}/comparison.parquet") for pair in all_pairs()],
    output:
        table=at("tables/step4.csv"),
    log:
        at("logs/step4.log"),
    params:
        code=code("step4"),
        torch_threads=threads_of("other"),
        pairs=all_pairs(),
        picks=CHOSEN,
        top_k=CONFIG.features.top_k,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/step4.py"


TARGETS["step4"] = [at("tables/step4.csv")]
