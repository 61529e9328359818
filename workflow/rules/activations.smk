def chosen_layers(wildcards):
    return [] if wildcards.site.startswith("bases/") else at(f"{pair_of(wildcards)}/layers.json")


def shards(path):
    """Activation shards, freed once used where the config says so."""
    return directory(path) if CONFIG.activations.keep else temp(directory(path))


rule activations:
    input:
        model=model_folder,
        beside=beside_tuned,
        corpus=corpus_file("test"),
        layers=chosen_layers,
    output:
        shards=[shards(at(f"{{site}}/activations/{pick}/part0")) for pick in PICKS],
        moments=[at(f"{{site}}/activations/{pick}.moments.safetensors") for pick in PICKS],
        tokens=at("{site}/activations/tokens.parquet"),
    log:
        at("logs/activations/{site}.log"),
    benchmark:
        at("benchmarks/activations/{site}.tsv")
    params:
        code=code("activations"),
        torch_threads=threads_of("activations"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        corpus=lambda w: parts(w)["corpus"],
        picks=PICKS,
        settings={key: value for key, value in section(CONFIG.activations).items() if key != "keep"},
        work=at(".work/activations/{site}"),
    threads: threads_of("activations")
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/activations.py"
