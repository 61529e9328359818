SAE_FOLDER = at("{site}/saes/{recipe}/{pick}/width{width}")


# The L1 coefficient of a place where the config has an L0 in its place: a few trainings of one small autoencoder, on the base side alone.
rule sparsity:
    input:
        shards=shard_folders(at("{site}/activations/{pick}")),
        moments=at("{site}/activations/{pick}.moments.safetensors"),
    output:
        chosen=at("{site}/saes/{recipe}/{pick}/l1.json"),
    log:
        at("logs/sparsity/{site}/{recipe}.{pick}.log"),
    benchmark:
        at("benchmarks/sparsity/{site}/{recipe}.{pick}.tsv")
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("saes")
    params:
        code=code("sparsity"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        width=lambda w: CONFIG.models[parts(w)["model"]].sae.widths[0],
        recipe=recipe_of,
    script:
        "../scripts/sparsity.py"


rule saes:
    input:
        shards=shard_folders(at("{site}/activations/{pick}")),
        moments=at("{site}/activations/{pick}.moments.safetensors"),
        l1=l1_file,
    output:
        sae=[f"{SAE_FOLDER}/seed{seed}/sae.safetensors" for seed in SEEDS],
        cfg=[f"{SAE_FOLDER}/seed{seed}/cfg.json" for seed in SEEDS],
        training=[f"{SAE_FOLDER}/seed{seed}/training.parquet" for seed in SEEDS],
        metrics=[f"{SAE_FOLDER}/seed{seed}/metrics.json" for seed in SEEDS],
        checksums=[f"{SAE_FOLDER}/seed{seed}/checksums.json" for seed in SEEDS],
    log:
        at("logs/saes/{site}/{recipe}.{pick}.width{width}.log"),
    benchmark:
        at("benchmarks/saes/{site}/{recipe}.{pick}.width{width}.tsv")
    wildcard_constraints:
        recipe=recipes_that(are_given=False),
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("saes")
    params:
        code=code("saes"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        device=CONFIG.device,
        side=lambda w: parts(w)["side"],
        recipe=recipe_of,
    script:
        "../scripts/saes.py"


# The outputs are those of `saes`, so that a recipe that changes from the one to the other is made again.
rule given_saes:
    input:
        files=given_files,
        shards=shard_folders(at("{site}/activations/{pick}")),
    output:
        sae=f"{SAE_FOLDER}/seed1/sae.safetensors",
        cfg=f"{SAE_FOLDER}/seed1/cfg.json",
        training=f"{SAE_FOLDER}/seed1/training.parquet",
        metrics=f"{SAE_FOLDER}/seed1/metrics.json",
        checksums=f"{SAE_FOLDER}/seed1/checksums.json",
    log:
        at("logs/given_saes/{site}/{recipe}.{pick}.width{width}.log"),
    benchmark:
        at("benchmarks/given_saes/{site}/{recipe}.{pick}.width{width}.tsv")
    wildcard_constraints:
        recipe=recipes_that(are_given=True),
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("saes")
    params:
        code=code("given_saes"),
        torch_threads=threads_of("saes"),
        device=CONFIG.device,
        side=lambda w: parts(w)["side"],
    script:
        "../scripts/given_saes.py"


rule nulls:
    input:
        sae=sae_files("sae.safetensors"),
        metrics=sae_files("metrics.json"),
        moments=at("{site}/activations/{pick}.moments.safetensors"),
        l1=l1_file,
    output:
        null=at("{site}/nulls/{recipe}/{pick}.parquet"),
    log:
        at("logs/nulls/{site}/{recipe}.{pick}.log"),
    benchmark:
        at("benchmarks/nulls/{site}/{recipe}.{pick}.tsv")
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("saes")
    params:
        code=code("nulls"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        recipe=recipe_of,
        widths=lambda w: CONFIG.models[parts(w)["model"]].sae.widths,
        features=section(CONFIG.features),
    script:
        "../scripts/nulls.py"
