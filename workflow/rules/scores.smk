# How well explanations predict held text (simulation, detection), and whether what they say a feature promotes is so.


# Both sides in one job: requests to a language model are shuffled over sides.
rule scores:
    input:
        base_model=base_folder,
        corpus=corpus_file("test"),
        tokens=index_of,
        base=explanations_of("base", "{explainer}", SAMPLES),
        rlhf=explanations_of("rlhf", "{explainer}", SAMPLES),
        base_activations=both_sides("seed{seed}.activations.parquet")("base"),
        rlhf_activations=both_sides("seed{seed}.activations.parquet")("rlhf"),
        prompt=by_llm(lambda wildcards: PROMPT_FILES[prompts.SCORING[wildcards.scorer]]),
    output:
        base=scores_of("base", "{scorer}"),
        rlhf=scores_of("rlhf", "{scorer}"),
    log:
        at("logs/scores/{pair}/{recipe}.{pick}.{explainer}.{scorer}.log"),
    benchmark:
        at("benchmarks/scores/{pair}/{recipe}.{pick}.{explainer}.{scorer}.tsv")
    wildcard_constraints:
        scorer="simulation|detection",
    conda:
        "../../envs/torch.yaml"
    params:
        **UNSEEN,
        code=code("scores"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        samples=len(SAMPLES),
        tokens=CONFIG.scores.tokens,
        windows=CONFIG.scores.windows,
        limit=CONFIG.activations.tokens,
        llm=by_llm(lambda _: {"model": CONFIG.llm.model}),
    script:
        "../scripts/scores.py"


rule promotes:
    input:
        base_model=base_folder,
        rlhf_model=at("{pair}/rlhf/model"),
        layers=at("{pair}/layers.json"),
        tokens=index_of,
        vocabulary=vocabulary_of,
        base=explanations_of("base", "{explainer}", SAMPLES),
        rlhf=explanations_of("rlhf", "{explainer}", SAMPLES),
        base_activations=both_sides("seed{seed}.activations.parquet")("base"),
        rlhf_activations=both_sides("seed{seed}.activations.parquet")("rlhf"),
        base_sae=small_saes("base"),
        rlhf_sae=small_saes("rlhf"),
    output:
        base=scores_of("base", "promotes"),
        rlhf=scores_of("rlhf", "promotes"),
    log:
        at("logs/promotes/{pair}/{recipe}.{pick}.{explainer}.log"),
    benchmark:
        at("benchmarks/promotes/{pair}/{recipe}.{pick}.{explainer}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("promotes"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        samples=len(SAMPLES),
        at=CONFIG.activations.at,
        settings=section(CONFIG.scores),
    script:
        "../scripts/promotes.py"


SCORED = [(pair, side, pick, seed, sample) for pair, pick, seed, sample in EVERY_PLACE for side in ("base", "rlhf")]


rule scores_table:
    input:
        simulation=scored("simulation", SCORED),
        detection=scored("detection", SCORED),
        promotes=scored("promotes", SCORED),
        layers=LAYERS,
    output:
        table=at("tables/scores.csv"),
    log:
        at("logs/scores_table.log"),
    benchmark:
        at("benchmarks/scores_table.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("scores_table"),
        pairs=all_pairs(),
        places=SCORED,
    script:
        "../scripts/scores_table.py"


TARGETS["scores"] = [at("tables/scores.csv")]
