def recipe_of(wildcards):
    """The recipe and, resolved, the L1 coefficient that it or the model sets."""
    recipe = section(CONFIG.sae_recipes[wildcards.recipe])
    return {**recipe, "l1": CONFIG.l1(parts(wildcards)["model"], wildcards.recipe)}


def place(wildcards):
    return at(f"{wildcards.site}/saes/{wildcards.recipe}/{wildcards.pick}")


def sae_files(name):
    """A file of every seed's SAE at a place, small width first."""

    def files(wildcards):
        widths = CONFIG.models[parts(wildcards)["model"]].sae.widths
        return [f"{place(wildcards)}/width{w}/seed{s}/{name}" for w in widths for s in SEEDS]

    return files


SAE_FOLDER = at("{site}/saes/{recipe}/{pick}/width{width}")


rule saes:
    input:
        shards=shard_folders(at("{site}/activations/{pick}")),
        moments=at("{site}/activations/{pick}.moments.safetensors"),
    output:
        sae=[f"{SAE_FOLDER}/seed{seed}/sae.safetensors" for seed in SEEDS],
        cfg=[f"{SAE_FOLDER}/seed{seed}/cfg.json" for seed in SEEDS],
        training=[f"{SAE_FOLDER}/seed{seed}/training.parquet" for seed in SEEDS],
        metrics=[f"{SAE_FOLDER}/seed{seed}/metrics.json" for seed in SEEDS],
        checksums=[f"{SAE_FOLDER}/seed{seed}/checksums.json" for seed in SEEDS],
    log:
        at("logs/saes/{site}/{recipe}.{pick}.width{width}.log"),
    params:
        code=code("saes"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        device=CONFIG.device,
        side=lambda w: parts(w)["side"],
        recipe=recipe_of,
        work=at(".work/saes/{site}/{recipe}.{pick}.width{width}"),
        made=at(".work/activations/{site}"),
    threads: threads_of("saes")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/saes.py"


rule nulls:
    input:
        sae=sae_files("sae.safetensors"),
        metrics=sae_files("metrics.json"),
        moments=at("{site}/activations/{pick}.moments.safetensors"),
    output:
        null=at("{site}/nulls/{recipe}/{pick}.parquet"),
    log:
        at("logs/nulls/{site}/{recipe}.{pick}.log"),
    params:
        code=code("nulls"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        side=lambda w: parts(w)["side"],
        recipe=recipe_of,
        widths=lambda w: CONFIG.models[parts(w)["model"]].sae.widths,
        features=section(CONFIG.features),
        work=at(".work/nulls/{site}/{recipe}.{pick}"),
    threads: threads_of("saes")
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/nulls.py"
