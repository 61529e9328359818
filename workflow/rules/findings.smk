# What the reward taught, in words: contexts where tuning and reward go together, beside what needs no dictionary.


# One dictionary on the rows of both sides, and one on what tuning added to them, beside the tuned side's own: of a pair's first run, as the nulls.
rule joint:
    input:
        base=lambda w: shard_folders(at(f"{site_of(w.pair, 'base')}/activations/{w.pick}")),
        rlhf=shard_folders(at("{pair}/rlhf/activations/{pick}")),
        moments=at("{pair}/rlhf/activations/{pick}.moments.safetensors"),
        l1=l1_file,
    output:
        shared=at("{pair}/joint/{recipe}/{pick}/shared.safetensors"),
        difference=at("{pair}/joint/{recipe}/{pick}/difference.safetensors"),
        checksums=at("{pair}/joint/{recipe}/{pick}/checksums.json"),
    log:
        at("logs/joint/{pair}/{recipe}.{pick}.log"),
    benchmark:
        at("benchmarks/joint/{pair}/{recipe}.{pick}.tsv")
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("saes")
    params:
        code=code("joint"),
        torch_threads=threads_of("saes"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        width=lambda w: CONFIG.models[parts(w)["model"]].sae.widths[0],
        recipe=recipe_of,
    script:
        "../scripts/joint.py"


rule findings:
    input:
        layers=at("{pair}/layers.json"),
        base_model=base_folder,
        rlhf_model=at("{pair}/rlhf/model"),
        beside=beside_tuned,
        corpus=corpus_file("test"),
        saes=small_of_every_pick("rlhf"),
        moments=of_every_pick("{site}/activations/{pick}.moments.safetensors", "rlhf"),
        joint=joint_files,
        reward=lambda w: reward_files(true(w)),
        stored=lambda w: stored(true(w)),
    output:
        table=at("{pair}/findings.parquet"),
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
        reward=lambda w: source_of(true(w)),
        reward_on=lambda w: CONFIG.rlhf_of(own(w)).reward_on,
        settings={key: value for key, value in section(CONFIG.findings).items() if key != "threshold"},  # which is the table's
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
