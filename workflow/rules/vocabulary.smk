# Which tokens of a model stand for whole words of a corpus: what features may be said to promote.


rule vocabulary:
    input:
        model=at("models/{model}/model"),
        corpus=at("corpora/{corpus}/train.parquet"),
    output:
        vocabulary=at("corpora/{corpus}/vocabulary.{model}.parquet"),
    log:
        at("logs/vocabulary/{corpus}.{model}.log"),
    benchmark:
        at("benchmarks/vocabulary/{corpus}.{model}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("vocabulary"),
    script:
        "../scripts/vocabulary.py"
