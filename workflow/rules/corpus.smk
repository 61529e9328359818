def corpus_sources(wildcards):
    files = CONFIG.corpora[wildcards.corpus].path
    return [os.path.normpath(file) for file in (files.train, files.test)] if files else []


rule corpus:
    input:
        files=corpus_sources,
    output:
        train=at("corpora/{corpus}/train.parquet"),
        test=at("corpora/{corpus}/test.parquet"),
    log:
        at("logs/corpus/{corpus}.log"),
    params:
        code=code("corpus"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        entry=lambda w: section(CONFIG.corpora[w.corpus]),
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/corpus.py"
