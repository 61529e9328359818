# A twin of a reward is a placebo that a model is tuned on beside it; every table measures it by the true reward.


rule twins:
    input:
        corpus=lambda w: at(f"corpora/{used_with(w.reward)}/train.parquet"),
        reward=lambda w: reward_files(yardstick(w.reward)),
        stored=lambda w: stored(yardstick(w.reward)),
    output:
        twin=at("rewards/{reward}/twin.json"),
    log:
        at("logs/twins/{reward}.log"),
    benchmark:
        at("benchmarks/twins/{reward}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    params:
        code=lambda w: code("twins", *function_files(yardstick(w.reward))),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        kind=lambda w: CONFIG.rewards[w.reward].kind,
        reward=lambda w: source_of(yardstick(w.reward)),
        length=lambda w: CONFIG.rlhf_of(w.reward).episode,
    script:
        "../scripts/twins.py"
