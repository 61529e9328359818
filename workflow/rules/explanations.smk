def both_sides(name):
    """A file of every seed at a place, on base and rlhf."""

    def files(side):
        def of(wildcards):
            site = site_of(wildcards.pair, side)
            return [at(f"{site}/features/{wildcards.recipe}/{wildcards.pick}/{name.format(seed=s)}") for s in SEEDS]

        return of

    return files


def small_saes(side):
    def of(wildcards):
        width = CONFIG.models[parts(wildcards)["model"]].sae.widths[0]
        folder = at(f"{site_of(wildcards.pair, side)}/saes/{wildcards.recipe}/{wildcards.pick}/width{width}")
        return [f"{folder}/seed{s}/sae.safetensors" for s in SEEDS]

    return of


EXPLANATIONS = at("{pair}/%s/explanations/{recipe}/{pick}/tokens/seed%d.sample%d.jsonl")
SAMPLES = list(range(1, CONFIG.samples + 1))


# Both sides in one job: an explainer that is asked over a network gets its requests shuffled over sides.
rule explanations:
    input:
        base_model=base_folder,
        rlhf_model=at("{pair}/rlhf/model"),
        beside=beside_tuned,
        corpus=corpus_file("test"),
        base_features=both_sides("seed{seed}.parquet")("base"),
        rlhf_features=both_sides("seed{seed}.parquet")("rlhf"),
        base_activations=both_sides("seed{seed}.activations.parquet")("base"),
        rlhf_activations=both_sides("seed{seed}.activations.parquet")("rlhf"),
        base_sae=small_saes("base"),
        rlhf_sae=small_saes("rlhf"),
    output:
        base=[EXPLANATIONS % ("base", seed, sample) for seed in SEEDS for sample in SAMPLES],
        rlhf=[EXPLANATIONS % ("rlhf", seed, sample) for seed in SEEDS for sample in SAMPLES],
    log:
        at("logs/explanations/{pair}/{recipe}.{pick}.tokens.log"),
    benchmark:
        at("benchmarks/explanations/{pair}/{recipe}.{pick}.tokens.tsv")
    params:
        code=code("explanations"),
        torch_threads=threads_of("other"),
        seeds=SEEDS,
        top_k=CONFIG.features.top_k,
        tokens=CONFIG.activations.tokens,
        settings=section(CONFIG.explain),
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/explanations.py"
