rule figure3:
    input:
        divergence=[at(f"{pair}/divergence.csv") for pair in all_pairs()],
    output:
        data=at("figures/figure3.csv"),
        svg=at("figures/figure3.svg"),
        png=at("figures/figure3.png"),
    log:
        at("logs/figure3.log"),
    benchmark:
        at("benchmarks/figure3.tsv")
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("figure3"),
        pairs=all_pairs(),
    script:
        "../scripts/figure3.py"


# A point per RLHF run: what Tables 3 and 4 average over runs.
rule section6_2:
    input:
        base=explained("base", PLACES),
        rlhf=explained("rlhf", PLACES),
        base_completions=[at(f"{pair}/base/completions.parquet") for pair in WORDED],
        rlhf_completions=[at(f"{pair}/rlhf/completions.parquet") for pair in WORDED],
        layers=[at(f"{pair}/layers.json") for pair in WORDED],
        words=WORD_FILES,
        vocabulary=[vocabulary_of(AS_WILDCARDS[pair]) for pair in WORDED],
    output:
        table=at("tables/section6.2.csv"),
        data=at("figures/section6.2.csv"),
        svg=at("figures/section6.2.svg"),
        png=at("figures/section6.2.png"),
    log:
        at("logs/section6_2.log"),
    benchmark:
        at("benchmarks/section6_2.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("section6_2"),
        pairs=WORDED,
        places=PLACES,
        words=WORDS,
        kl={pair: kl_of(pair) for pair in WORDED},
        top_k=CONFIG.features.top_k,
        resamples=CONFIG.bootstrap,
        seed=CONFIG.seed,
    script:
        "../scripts/section6_2.py"


TARGETS["figure3"] = [at(f"figures/figure3.{kind}") for kind in ("svg", "png", "csv")]
TARGETS["section6.2"] = [at("tables/section6.2.csv"), *(at(f"figures/section6.2.{kind}") for kind in ("svg", "png", "csv"))]
