# How much of the reward's gain passes through layers and features: completions written with one model's activations in the other.


rule causes:
    input:
        layers=at("{pair}/layers.json"),
        base_model=base_folder,
        rlhf_model=at("{pair}/rlhf/model"),
        beside=beside_tuned,
        corpus=corpus_file("test"),
        saes=small_of_every_pick("rlhf", seed=SEEDS[0]),
        reward=lambda w: reward_files(true(w)),
        stored=lambda w: stored(true(w)),
    output:
        table=at("{pair}/causes.parquet"),
    log:
        at("logs/causes/{pair}.log"),
    benchmark:
        at("benchmarks/causes/{pair}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=lambda w: code("causes", *function_files(true(w))),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        picks=CHOSEN,
        at=CONFIG.activations.at,
        reward=lambda w: source_of(true(w)),
        reward_on=lambda w: CONFIG.rlhf_of(tuned_on(w)).reward_on,
        settings=section(CONFIG.causes),
    script:
        "../scripts/causes.py"


rule causes_table:
    input:
        tables=[at(f"{pair}/causes.parquet") for pair in all_pairs()],
    output:
        table=report(at("tables/causes.csv"), "../report/causes.rst", "Tables", labels={"table": "causes"}),
    log:
        at("logs/causes_table.log"),
    benchmark:
        at("benchmarks/causes_table.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("causes_table"),
        pairs=all_pairs(),
    script:
        "../scripts/causes_table.py"


TARGETS["causes"] = [at("tables/causes.csv")]
