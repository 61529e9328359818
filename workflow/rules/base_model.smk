rule base_model:
    input:
        corpus=training_corpus,
        files=lambda w: checkpoint_files(CONFIG.models[w.model].path),
    output:
        model=directory(at("models/{model}/model")),
        source=update(at("models/{model}/source.json")),  # kept for the job: a hub model must not change unseen
    log:
        at("logs/base_model/{model}.log"),
    benchmark:
        at("benchmarks/base_model/{model}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("pretrain")
    params:
        code=code("base_model"),
        torch_threads=threads_of("pretrain"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        entry=lambda w: {key: value for key, value in section(CONFIG.models[w.model]).items() if key != "sae"},
        asks=lambda w, threads: CONFIG.asks(w.model),  # tried, and in nothing that is written: UNSEEN in places.smk says how
    script:
        "../scripts/base_model.py"


rule perplexity:
    input:
        model=at("models/{model}/model"),
        corpus=lambda w: [at(f"corpora/{CORPUS_OF[w.model]}/{part}.parquet") for part in ("train", "test")],
    output:
        perplexity=report(at("models/{model}/perplexity.json"), "../report/perplexity.rst", "Base models", labels=labels()),
    log:
        at("logs/perplexity/{model}.log"),
    benchmark:
        at("benchmarks/perplexity/{model}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("perplexity"),
        torch_threads=threads_of("other"),
        device=CONFIG.device,
        length=CONFIG.activations.tokens,
    script:
        "../scripts/perplexity.py"
