FEATURES = at("{site}/features/{recipe}/{pick}/seed")


rule features:
    input:
        sae=sae_files("sae.safetensors"),
    output:
        features=[f"{FEATURES}{seed}.parquet" for seed in SEEDS],
        mmcs=report(at("{site}/features/{recipe}/{pick}/mmcs.csv"), "../report/mmcs.rst", "Features", labels=labels()),
    log:
        at("logs/features/{site}/{recipe}.{pick}.log"),
    benchmark:
        at("benchmarks/features/{site}/{recipe}.{pick}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("features"),
        torch_threads=threads_of("other"),
        seeds=SEEDS,
        top_k=CONFIG.features.top_k,
        min_fires=CONFIG.features.min_fires,
    script:
        "../scripts/features.py"


rule feature_activations:
    input:
        features=[f"{FEATURES}{seed}.parquet" for seed in SEEDS],
        sae=sae_files("sae.safetensors"),
        shards=shard_folders(at("{site}/activations/{pick}")),
        tokens=at("{site}/activations/tokens.parquet"),
    output:
        activations=[f"{FEATURES}{seed}.activations.parquet" for seed in SEEDS],
    log:
        at("logs/feature_activations/{site}/{recipe}.{pick}.log"),
    benchmark:
        at("benchmarks/feature_activations/{site}/{recipe}.{pick}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("feature_activations"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        top_k=CONFIG.features.top_k,
    script:
        "../scripts/feature_activations.py"
