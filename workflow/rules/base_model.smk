def training_corpus(wildcards):
    entry = CONFIG.models[wildcards.model].pretrain
    return at(f"corpora/{entry.corpus}/train.parquet") if entry else []


def model_files(wildcards):
    path = CONFIG.models[wildcards.model].path
    return checkpoint_files(path) if path else []


rule base_model:
    input:
        corpus=training_corpus,
        files=model_files,
    output:
        model=directory(at("models/{model}/model")),
        source=update(at("models/{model}/source.json")),  # kept for the job: a hub model must not change unseen
    log:
        at("logs/base_model/{model}.log"),
    params:
        code=code("base_model"),
        torch_threads=threads_of("pretrain"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        entry=lambda w: {key: value for key, value in section(CONFIG.models[w.model]).items() if key != "sae"},
    threads: threads_of("pretrain")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
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
    params:
        code=code("perplexity"),
        torch_threads=threads_of("other"),
        device=CONFIG.device,
        length=CONFIG.activations.tokens,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/perplexity.py"
