rule completions:
    input:
        base_model=base_folder,
        rlhf_model=at("{pair}/rlhf/model"),
        beside=beside_tuned,
        corpus=corpus_file("test"),
        reward=lambda w: reward_files(true(w)),
        stored=lambda w: stored(true(w)),
        twin=lambda w: stored(tuned_on(w)) if tuned_on(w) != true(w) else [],
    output:
        base=at("{pair}/base/completions.parquet"),
        rlhf=at("{pair}/rlhf/completions.parquet"),
        base_further=at("{pair}/base/further_completions.parquet"),
        rlhf_further=at("{pair}/rlhf/further_completions.parquet"),
    log:
        at("logs/completions/{pair}.log"),
    benchmark:
        at("benchmarks/completions/{pair}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=lambda w: code("completions", *function_files(true(w))),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        reward=lambda w: source_of(true(w)),
        own=lambda w: source_of(tuned_on(w)),
        reward_on=lambda w: CONFIG.rlhf_of(tuned_on(w)).reward_on,
        settings=section(CONFIG.completions),
    script:
        "../scripts/completions.py"
