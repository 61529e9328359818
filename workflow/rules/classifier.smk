def classifier_of(wildcards):
    return CONFIG.rewards[wildcards.reward].classifier


def labelled_corpus(wildcards):
    entry = classifier_of(wildcards).train
    return at(f"corpora/{entry.corpus}/train.parquet") if entry else []


def measured_on(wildcards):
    """The corpus that a classifier was trained on, or that it is used with."""
    entry = classifier_of(wildcards).train
    return entry.corpus if entry else next(pair.corpus for pair in CONFIG.pairs if pair.reward == wildcards.reward)


rule classifier:
    input:
        corpus=labelled_corpus,
        files=lambda w: checkpoint_files(classifier_of(w).path or ""),
    output:
        model=directory(at("rewards/{reward}/model")),
        source=update(at("rewards/{reward}/source.json")),  # kept for the job: a hub model must not change unseen
    log:
        at("logs/classifier/{reward}.log"),
    params:
        code=code("classifier"),
        torch_threads=threads_of("pretrain"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        entry=lambda w: section(classifier_of(w)),
    threads: threads_of("pretrain")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/classifier.py"


rule accuracy:
    input:
        model=at("rewards/{reward}/model"),
        corpus=lambda w: at(f"corpora/{measured_on(w)}/test.parquet"),
    output:
        metrics=at("rewards/{reward}/metrics.json"),
    log:
        at("logs/accuracy/{reward}.log"),
    params:
        code=code("accuracy"),
        torch_threads=threads_of("other"),
        device=CONFIG.device,
        corpus=lambda w: measured_on(w),
        positive=lambda w: classifier_of(w).positive,
        prefix=lambda w: CONFIG.rlhf_of(w.reward).prompt_tokens[1] + CONFIG.rlhf_of(w.reward).response_tokens,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/accuracy.py"


CLASSIFIERS = sorted({pair.reward for pair in CONFIG.pairs if CONFIG.rewards[pair.reward].classifier})
TARGETS["accuracy"] = [at(f"rewards/{reward}/metrics.json") for reward in CLASSIFIERS]
