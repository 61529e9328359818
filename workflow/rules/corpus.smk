rule corpus:
    input:
        files=corpus_sources,
    output:
        train=at("corpora/{corpus}/train.parquet"),
        test=at("corpora/{corpus}/test.parquet"),
    log:
        at("logs/corpus/{corpus}.log"),
    benchmark:
        at("benchmarks/corpus/{corpus}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("corpus"),
        seed=CONFIG.seed,
        entry=lambda w: {key: value for key, value in section(CONFIG.corpora[w.corpus]).items() if key != "opinions"},
        lexica=lambda w, threads: CONFIG.lexica(w.corpus),  # told of, and in nothing that is written
    script:
        "../scripts/corpus.py"
