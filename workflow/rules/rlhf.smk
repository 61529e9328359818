# Pairs of responses from the hub, for a reward whose method learns from them; of a file they are read where it lies.
rule preferences:
    output:
        pairs=at("rewards/{reward}/preferences.parquet"),
        source=update(at("rewards/{reward}/preferences.json")),  # kept for the job: a data set of the hub must not change unseen
    log:
        at("logs/preferences/{reward}.log"),
    benchmark:
        at("benchmarks/preferences/{reward}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("preferences"),
        entry=lambda w: {key: value for key, value in section(CONFIG.rlhf_of(w.reward).dpo.preferences).items() if key != "tokens"},
    script:
        "../scripts/preferences.py"


rule rlhf:
    input:
        model=base_folder,
        train=corpus_file("train"),
        reward=lambda w: reward_files(tuned_on(w)),
        stored=lambda w: stored(tuned_on(w)),
        preferences=lambda w: preference_files(tuned_on(w)),
    output:
        model=directory(at("{pair}/rlhf/model")),
        training=at("{pair}/rlhf/training.parquet"),
        settings=at("{pair}/rlhf/settings.json"),
    log:
        at("logs/rlhf/{pair}.log"),
    benchmark:
        at("benchmarks/rlhf/{pair}.tsv")
    wildcard_constraints:
        pair=pairs_that(tuned=False),
    priority: CHAIN
    conda:
        "../../envs/rlhf.yaml"
    threads: threads_of("rlhf")
    params:
        code=lambda w: code("rlhf", *function_files(tuned_on(w))),
        torch_threads=threads_of("rlhf"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        reward=lambda w: source_of(tuned_on(w)),
        corpus=lambda w: parts(w)["corpus"],
        settings=lambda w: CONFIG.rlhf_of(tuned_on(w)).settings(),
        at=lambda w, threads: CONFIG.activations.at,  # tried, and changes no weight
    script:
        "../scripts/rlhf.py"


# A pair with `rlhf:` has its tuned checkpoint already; nothing after this rule knows the difference.
rule tuned:
    input:
        base=base_folder,
        source=lambda w: at(f"models/{parts(w)['model']}/source.json"),
        files=lambda w: checkpoint_files(tuned_of(w).get("path")),
    output:
        model=directory(at("{pair}/rlhf/model")),
        source=update(at("{pair}/rlhf/source.json")),
    log:
        at("logs/tuned/{pair}.log"),
    benchmark:
        at("benchmarks/tuned/{pair}.tsv")
    wildcard_constraints:
        pair=pairs_that(tuned=True),
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("tuned"),
        entry=tuned_of,
    script:
        "../scripts/tuned.py"
