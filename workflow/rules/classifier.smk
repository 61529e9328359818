rule classifier:
    input:
        corpus=labelled_corpus,
        files=lambda w: checkpoint_files(classifier_of(w).path),
    output:
        model=directory(at("rewards/{reward}/model")),
        source=update(at("rewards/{reward}/source.json")),  # kept for the job: a hub model must not change unseen
    log:
        at("logs/classifier/{reward}.log"),
    benchmark:
        at("benchmarks/classifier/{reward}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("pretrain")
    params:
        code=code("classifier"),
        torch_threads=threads_of("pretrain"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        entry=lambda w: section(classifier_of(w)),
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
    benchmark:
        at("benchmarks/accuracy/{reward}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("accuracy"),
        torch_threads=threads_of("other"),
        device=CONFIG.device,
        corpus=lambda w: measured_on(w),
        positive=lambda w: classifier_of(w).positive,
        prefix=lambda w: CONFIG.rlhf_of(w.reward).prompt_tokens[1] + CONFIG.rlhf_of(w.reward).response_tokens,
    script:
        "../scripts/accuracy.py"


CLASSIFIERS = sorted({yardstick(pair.reward) for pair in CONFIG.pairs if CONFIG.rewards[yardstick(pair.reward)].classifier})
TARGETS["accuracy"] = [at(f"rewards/{reward}/metrics.json") for reward in CLASSIFIERS]
