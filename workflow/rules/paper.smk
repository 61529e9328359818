# The paper's Tables 1, 2 and 5, and what its sections 5.3 and 6.1 say of the explanations.


rule table1:
    input:
        settings=[at(f"{pair}/rlhf/settings.json") for pair in TUNED_HERE],
    output:
        table=at("tables/table1.csv"),
    log:
        at("logs/table1.log"),
    benchmark:
        at("benchmarks/table1.tsv")
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("table1"),
        pairs=TUNED_HERE,
    script:
        "../scripts/table1.py"


CFGS = {
    at(f"{site_of(pair, side)}/saes/{CONFIG.recipe}/{pick}/width{width}/seed{seed}/cfg.json"): pair.split("/")[1]
    for pair, side, pick in ALL_SITES
    for width in CONFIG.models[pair.split("/")[1]].sae.widths
    for seed in SEEDS
}


rule table2:
    input:
        cfg=list(CFGS),
        layers=LAYERS,
    output:
        table=at("tables/table2.csv"),
    log:
        at("logs/table2.log"),
    benchmark:
        at("benchmarks/table2.tsv")
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("table2"),
        pairs=all_pairs(),
        models=list(CFGS.values()),
    script:
        "../scripts/table2.py"


LISTED = [(pair, pick, SEEDS[0], SAMPLES[0]) for pair in all_pairs() for pick in CHOSEN]


rule table5:
    input:
        base=explained("base", LISTED),
        rlhf=explained("rlhf", LISTED),
        features=at_sites(f"features/{{recipe}}/{{pick}}/seed{SEEDS[0]}.parquet"),
        layers=LAYERS,
    output:
        table=at("tables/table5.csv"),
    log:
        at("logs/table5.log"),
    benchmark:
        at("benchmarks/table5.tsv")
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("table5"),
        pairs=all_pairs(),
        places=LISTED,
        features=ALL_SITES,
    script:
        "../scripts/table5.py"


# The words of U: what Table 3 is made from, and how often they occur.
rule section5_3:
    input:
        base=explained("base", PLACES),
        rlhf=explained("rlhf", PLACES),
        layers=[at(f"{pair}/layers.json") for pair in WORDED],
        words=WORD_FILES,
        corpora=[at(f"corpora/{PAIRS[tuple(pair.split('/')[1:3])].corpus}/test.parquet") for pair in WORDED],
        models=[at(f"models/{pair.split('/')[1]}/model") for pair in WORDED],
        controls=[at(f"{pair}/controls/promoted.parquet") for pair in WORDED],
        vocabulary=[vocabulary_of(AS_WILDCARDS[pair]) for pair in WORDED],
        completions=[at(f"{pair}/rlhf/completions.parquet") for pair in WORDED],
    output:
        table=at("tables/section5.3.csv"),
        words=at("tables/section5.3.words.csv"),
    log:
        at("logs/section5_3.log"),
    benchmark:
        at("benchmarks/section5_3.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("section5_3"),
        pairs=WORDED,
        places=PLACES,
        words=WORDS,
        twins=TWINS,
        top_k=CONFIG.features.top_k,
        least=CONFIG.features.min_fires,
        tokens=CONFIG.activations.tokens,
        seed=CONFIG.seed,
    script:
        "../scripts/section5_3.py"


rule section6_1:
    input:
        base=explained("base", places_of(FILMED)),
        rlhf=explained("rlhf", places_of(FILMED)),
        layers=[at(f"{pair}/layers.json") for pair in FILMED],
    output:
        table=at("tables/section6.1.csv"),
    log:
        at("logs/section6_1.log"),
    benchmark:
        at("benchmarks/section6_1.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("section6_1"),
        pairs=FILMED,
        places=places_of(FILMED),
    script:
        "../scripts/section6_1.py"


for name in ("table1", "table2", "table5"):
    TARGETS[name] = [at(f"tables/{name}.csv")]
TARGETS["section6.1"] = [at("tables/section6.1.csv")] * bool(FILMED)  # else the target is nothing, in the default's list too
TARGETS["section5.3"] = [at("tables/section5.3.csv"), at("tables/section5.3.words.csv")]
