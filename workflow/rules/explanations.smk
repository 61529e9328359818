SHOWN = dict(  # what every explainer is given; both sides, as requests to a server are shuffled over them
    base_model=base_folder,
    rlhf_model=at("{pair}/rlhf/model"),
    beside=beside_tuned,
    corpus=corpus_file("test"),
    vocabulary=vocabulary_of,
    base_features=both_sides("seed{seed}.parquet")("base"),
    rlhf_features=both_sides("seed{seed}.parquet")("rlhf"),
    base_activations=both_sides("seed{seed}.activations.parquet")("base"),
    rlhf_activations=both_sides("seed{seed}.activations.parquet")("rlhf"),
    base_sae=small_saes("base"),
    rlhf_sae=small_saes("rlhf"),
)


rule explanations:
    input:
        **SHOWN,
    output:
        base=explanations_of("base", "tokens", [1]),
        rlhf=explanations_of("rlhf", "tokens", [1]),
    log:
        at("logs/explanations/{pair}/{recipe}.{pick}.tokens.log"),
    benchmark:
        at("benchmarks/explanations/{pair}/{recipe}.{pick}.tokens.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("explanations"),
        torch_threads=threads_of("other"),
        seeds=SEEDS,
        top_k=CONFIG.features.top_k,
        tokens=CONFIG.activations.tokens,
        settings=section(CONFIG.explain),
    script:
        "../scripts/explanations.py"


rule llm_explanations:
    input:
        **SHOWN,
        **{kind: PROMPT_FILES[kind] for kind in prompts.EXPLAINING if kind in PROMPT_FILES},
    output:
        base=explanations_of("base", "openai", SAMPLES),
        rlhf=explanations_of("rlhf", "openai", SAMPLES),
    log:
        at("logs/llm_explanations/{pair}/{recipe}.{pick}.log"),
    benchmark:
        at("benchmarks/llm_explanations/{pair}/{recipe}.{pick}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    params:
        **UNSEEN,
        code=code("llm_explanations"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        samples=SAMPLES,
        top_k=CONFIG.features.top_k,
        tokens=CONFIG.activations.tokens,
        first=CONFIG.explain.tokens,
        reviews=CONFIG.explain.reviews,
        promoted=CONFIG.explain.promoted,
        llm={key: value for key, value in CONFIG.llm if key in ASKED},
    script:
        "../scripts/llm_explanations.py"
