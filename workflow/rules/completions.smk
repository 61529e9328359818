rule completions:
    input:
        model=lambda w: base_folder(w) if w.side == "base" else at(f"{w.pair}/rlhf/model"),
        beside=beside_tuned,
        corpus=corpus_file("test"),
        reward=reward_files,
        classifier=reward_model,
    output:
        completions=at("{pair}/{side}/completions.parquet"),
    log:
        at("logs/completions/{pair}/{side}.log"),
    benchmark:
        at("benchmarks/completions/{pair}/{side}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=reward_code("completions"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        reward=reward_of,
        reward_on=lambda w: CONFIG.rlhf_of(parts(w)["reward"]).reward_on,
        settings=section(CONFIG.completions),
    script:
        "../scripts/completions.py"
