def word_file(wildcards):
    """A CSV of words is an input; the VADER lexicon comes with its pinned package."""
    words = CONFIG.rewards[parts(wildcards)["reward"]].words
    return words if words and words != "vader" else []


rule rlhf:
    input:
        model=base_folder,
        train=corpus_file("train"),
        words=word_file,
    output:
        model=directory(at("{pair}/rlhf/model")),
        training=at("{pair}/rlhf/training.parquet"),
    log:
        at("logs/rlhf/{pair}.log"),
    benchmark:
        at("benchmarks/rlhf/{pair}.tsv")
    params:
        code=code("rlhf"),
        torch_threads=threads_of("rlhf"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        run=lambda w: int(w.pair.rsplit("run", 1)[1]),
        words=lambda w: CONFIG.rewards[parts(w)["reward"]].words,
        settings=lambda w: section(CONFIG.rlhf_of(parts(w)["reward"])),
        work=at(".work/rlhf/{pair}"),
    threads: threads_of("rlhf")
    conda:
        "../../envs/rlhf.yaml"
    script:
        "../scripts/rlhf.py"
