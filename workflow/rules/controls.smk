# What the promoted tokens of Table 3 and section 5.3 are read against.


rule controls:
    input:
        layers=at("{pair}/layers.json"),
        vocabulary=vocabulary_of,
        base_model=base_folder,
        rlhf_model=at("{pair}/rlhf/model"),
        beside=beside_tuned,
        base_features=of_every_pick("{site}/features/{recipe}/{pick}/seed{seed}.parquet", "base"),
        rlhf_features=of_every_pick("{site}/features/{recipe}/{pick}/seed{seed}.parquet", "rlhf"),
        base_sae=small_of_every_pick("base"),
        rlhf_sae=small_of_every_pick("rlhf"),
        base_moments=of_every_pick("{site}/activations/{pick}.moments.safetensors", "base"),
        rlhf_moments=of_every_pick("{site}/activations/{pick}.moments.safetensors", "rlhf"),
    output:
        promoted=at("{pair}/controls/promoted.parquet"),
    log:
        at("logs/controls/{pair}.log"),
    benchmark:
        at("benchmarks/controls/{pair}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("controls"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        sites=lambda w: {side: site_of(w.pair, side) for side in ("base", "rlhf")},
        picks=CHOSEN,
        top_k=CONFIG.features.top_k,
        promoted=CONFIG.explain.promoted,
        draws=CONFIG.features.null_draws,
    script:
        "../scripts/controls.py"
