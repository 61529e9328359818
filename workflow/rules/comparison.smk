rule comparison:
    input:
        layers=at("{pair}/layers.json"),
        base_features=of_every_pick("{site}/features/{recipe}/{pick}/seed{seed}.parquet", "base"),
        rlhf_features=of_every_pick("{site}/features/{recipe}/{pick}/seed{seed}.parquet", "rlhf"),
        base_sae=small_of_every_pick("base"),
        rlhf_sae=small_of_every_pick("rlhf"),
        base_moments=of_every_pick("{site}/activations/{pick}.moments.safetensors", "base"),
        rlhf_moments=of_every_pick("{site}/activations/{pick}.moments.safetensors", "rlhf"),
        base_shards=shards_of_every_pick("base"),
        rlhf_shards=shards_of_every_pick("rlhf"),
    output:
        comparison=at("{pair}/comparison.parquet"),
    log:
        at("logs/comparison/{pair}.log"),
    benchmark:
        at("benchmarks/comparison/{pair}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("comparison"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        sites=lambda w: {side: site_of(w.pair, side) for side in ("base", "rlhf")},
        picks=CHOSEN,
        min_fires=CONFIG.features.min_fires,
    script:
        "../scripts/comparison.py"


rule groups:
    input:
        layers=of_every_run(lambda w: [at(f"{w.pair}/layers.json")]),
        base_sae=of_every_run(small_of_every_pick("base")),
        rlhf_sae=of_every_run(small_of_every_pick("rlhf")),
    output:
        groups=at("pairs/{model}/{reward}/groups.parquet"),
    log:
        at("logs/groups/{model}.{reward}.log"),
    benchmark:
        at("benchmarks/groups/{model}.{reward}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("groups"),
        torch_threads=threads_of("other"),
        pairs=runs_of,
        seeds=SEEDS,
        picks=CHOSEN,
        min_fires=CONFIG.features.min_fires,
    script:
        "../scripts/groups.py"


TARGETS["comparison"] = [at(f"{pair}/comparison.parquet") for pair in all_pairs()]


rule step4:
    input:
        comparison=[at(f"{pair}/comparison.parquet") for pair in all_pairs()],
        layers=LAYERS,
        latents=[crosscoder_file(pair, pick, "latents.parquet") for pair, pick in CROSSCODED if "crosscoder" in CONFIG.targets],
        latents_null=[crosscoder_file(pair, pick, "null.parquet") for pair, pick in CROSSCODED if "crosscoder" in CONFIG.targets],
    output:
        table=at("tables/step4.csv"),
    log:
        at("logs/step4.log"),
    benchmark:
        at("benchmarks/step4.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("step4"),
        pairs=all_pairs(),
        picks=CHOSEN,
        seeds=SEEDS,
        twins=TWINS,
        top_k=CONFIG.features.top_k,
        crosscoded=CROSSCODED if "crosscoder" in CONFIG.targets else [],
    script:
        "../scripts/step4.py"


TARGETS["step4"] = [at("tables/step4.csv")]
