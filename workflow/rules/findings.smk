# What the reward taught, in words: contexts where tuning and reward go together, beside what needs no dictionary.


JOINT_FOLDER = at("{pair}/joint/{recipe}/{pick}/width{width}/seed1")


# One dictionary on the rows of both sides, and one on what tuning added to them, beside the tuned side's own: of a pair's first run, as the nulls.
rule joint:
    input:
        base=lambda w: shard_folders(at(f"{site_of(w.pair, 'base')}/activations/{w.pick}")),
        rlhf=shard_folders(at("{pair}/rlhf/activations/{pick}")),
        moments=at("{pair}/rlhf/activations/{pick}.moments.safetensors"),
        l1=l1_file,
    output:
        shared=f"{JOINT_FOLDER}/shared.safetensors",
        difference=f"{JOINT_FOLDER}/difference.safetensors",
        checksums=f"{JOINT_FOLDER}/checksums.json",
    log:
        at("logs/joint/{pair}/{recipe}.{pick}.width{width}.log"),
    benchmark:
        at("benchmarks/joint/{pair}/{recipe}.{pick}.width{width}.tsv")
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("saes")
    params:
        code=code("joint"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        recipe=recipe_of,
    script:
        "../scripts/joint.py"


# One dictionary with a decoder for either side, and beside it what base against base gives: of a pair's first run.
rule crosscoder:
    input:
        base=lambda w: shard_folders(at(f"{site_of(w.pair, 'base')}/activations/{w.pick}")),
        rlhf=shard_folders(at("{pair}/rlhf/activations/{pick}")),
        moments=at("{pair}/rlhf/activations/{pick}.moments.safetensors"),
        tokens=index_of,
    output:
        sae=f"{JOINT_FOLDER}/crosscoder/sae.safetensors",
        latents=f"{JOINT_FOLDER}/crosscoder/latents.parquet",
        null=f"{JOINT_FOLDER}/crosscoder/null.parquet",
        fires=f"{JOINT_FOLDER}/crosscoder/fires.parquet",
        metrics=f"{JOINT_FOLDER}/crosscoder/metrics.json",
        checksums=f"{JOINT_FOLDER}/crosscoder/checksums.json",
    log:
        at("logs/crosscoder/{pair}/{recipe}.{pick}.width{width}.log"),
    benchmark:
        at("benchmarks/crosscoder/{pair}/{recipe}.{pick}.width{width}.tsv")
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("saes")
    params:
        code=code("crosscoder"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        recipe=recipe_of,
        min_fires=CONFIG.features.min_fires,
    script:
        "../scripts/crosscoder.py"


rule crosscoder_table:
    input:
        latents=[crosscoder_file(pair, pick, "latents.parquet") for pair, pick in CROSSCODED],
        null=[crosscoder_file(pair, pick, "null.parquet") for pair, pick in CROSSCODED],
        fires=[crosscoder_file(pair, pick, "fires.parquet") for pair, pick in CROSSCODED],
        metrics=[crosscoder_file(pair, pick, "metrics.json") for pair, pick in CROSSCODED],
        sae=[crosscoder_file(pair, pick, "sae.safetensors") for pair, pick in CROSSCODED],
        layers=LAYERS,
        models=[at(f"{pair}/rlhf/model") for pair, _ in CROSSCODED],
        beside=[beside_tuned(AS_WILDCARDS[pair]) for pair, _ in CROSSCODED],
        corpora=[at(f"corpora/{PAIRS[tuple(pair.split('/')[1:3])].corpus}/test.parquet") for pair, _ in CROSSCODED],
        vocabularies=[vocabulary_of(AS_WILDCARDS[pair]) for pair, _ in CROSSCODED],
    output:
        table=report(at("tables/crosscoder.csv"), "../report/crosscoder.rst", "Tables", labels={"table": "features of one side alone"}),
        features=report(
            at("tables/crosscoder_features.csv"), "../report/crosscoder_features.rst", "Tables", labels={"table": "the tuned side's own, in words"}
        ),
        explanations=[crosscoder_file(pair, pick, "explanations.jsonl") for pair, pick in CROSSCODED],
    log:
        at("logs/crosscoder_table.log"),
    benchmark:
        at("benchmarks/crosscoder_table.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("crosscoder_table"),
        pairs=all_pairs(),
        places=CROSSCODED,
        twins=TWINS,
        torch_threads=threads_of("other"),
        tokens=CONFIG.activations.tokens,
        settings=section(CONFIG.explain),
    script:
        "../scripts/crosscoder_table.py"


rule findings:
    input:
        layers=at("{pair}/layers.json"),
        base_model=base_folder,
        rlhf_model=at("{pair}/rlhf/model"),
        beside=beside_tuned,
        corpus=corpus_file("test"),
        saes=small_of_every_pick("rlhf"),
        features=of_every_pick("{site}/features/{recipe}/{pick}/seed{seed}.parquet", "rlhf") if CONFIG.findings.ranked else [],
        moments=of_every_pick("{site}/activations/{pick}.moments.safetensors", "rlhf"),
        joint=joint_files,
        crosscoders=lambda w: [crosscoder_file(pair, pick, "sae.safetensors") for pair, pick in CROSSCODED if pair == w.pair],
        reward=lambda w: reward_files(true(w)),
        stored=lambda w: stored(true(w)),
    output:
        table=at("{pair}/findings.parquet"),
        changes=at("{pair}/changes.parquet"),
        facts=at("{pair}/findings.json"),
    log:
        at("logs/findings/{pair}.log"),
    benchmark:
        at("benchmarks/findings/{pair}.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=lambda w: code("findings", *function_files(true(w))),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        seeds=SEEDS,
        picks=CHOSEN,
        at=CONFIG.activations.at,
        top_k=CONFIG.features.top_k,  # what the report shows
        reward=lambda w: source_of(true(w)),
        reward_on=lambda w: CONFIG.rlhf_of(tuned_on(w)).reward_on,
        settings={key: value for key, value in section(CONFIG.findings).items() if key not in ("threshold", "ranked")},  # which is the table's
    script:
        "../scripts/findings.py"


rule findings_table:
    input:
        tables=[at(f"{pair}/findings.parquet") for pair in all_pairs()],
        facts=[at(f"{pair}/findings.json") for pair in all_pairs()],
    output:
        table=report(at("tables/findings.csv"), "../report/findings.rst", "Tables", labels={"table": "findings"}),
    log:
        at("logs/findings_table.log"),
    benchmark:
        at("benchmarks/findings_table.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("findings_table"),
        pairs=all_pairs(),
        twins=TWINS,
        methods={f"{model}/{reward}": method_of(f"pairs/{model}/{reward}") for model, reward in PAIRS},
        kept=CONFIG.findings.kept,
        threshold=CONFIG.findings.threshold,
    script:
        "../scripts/findings_table.py"


TARGETS["findings"] = [at("tables/findings.csv")]
TARGETS["crosscoder"] = [at(f"tables/{name}.csv") for name in ("crosscoder", "crosscoder_features")] if CROSSCODED else []
