# Whether a function or classifier differs between documents is said as soon as it can be asked, before tuning, and of a checkpoint that was tuned
# elsewhere too. Of a word table rule `corpus` has said it; a twin is measured by its true reward.


rule spread:
    input:
        train=at("corpora/{corpus}/train.parquet"),
        reward=lambda w: reward_files(w.reward),
        stored=lambda w: stored(w.reward),
    output:
        spread=at("rewards/{reward}/spread.{corpus}.json"),
    log:
        at("logs/spread/{reward}.{corpus}.log"),
    benchmark:
        at("benchmarks/spread/{reward}.{corpus}.tsv")
    priority: CHAIN + 1
    conda:
        "../../envs/torch.yaml"
    params:
        code=lambda w: code("spread", *function_files(w.reward)),
        torch_threads=threads_of("other"),
        device=CONFIG.device,
        reward=lambda w: source_of(w.reward),
    script:
        "../scripts/spread.py"
