# The paper's Tables 1, 2 and 5, and what its sections 5.3 and 6.1 say of the explanations.
TUNED_HERE = [pair for pair in all_pairs() if not PAIRS[tuple(pair.split("/")[1:3])].rlhf]


rule table1:
    input:
        settings=[at(f"{pair}/rlhf/settings.json") for pair in TUNED_HERE],
    output:
        table=at("tables/table1.csv"),
    log:
        at("logs/table1.log"),
    params:
        code=code("table1"),
        torch_threads=threads_of("other"),
        pairs=TUNED_HERE,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/table1.py"


CFGS = {
    at(f"{site_of(pair, side)}/saes/{CONFIG.recipe}/{pick}/width{width}/seed{seed}/cfg.json"): pair.split("/")[1]
    for pair, side, pick in ALL_PLACES
    for width in CONFIG.models[pair.split("/")[1]].sae.widths
    for seed in SEEDS
}


rule table2:
    input:
        cfg=list(CFGS),
        layers=rules.quality.input.layers,
    output:
        table=at("tables/table2.csv"),
    log:
        at("logs/table2.log"),
    params:
        code=code("table2"),
        torch_threads=threads_of("other"),
        pairs=all_pairs(),
        models=list(CFGS.values()),
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/table2.py"


LISTED = [(pair, pick, SEEDS[0], SAMPLES[0]) for pair in all_pairs() for pick in CHOSEN]


rule table5:
    input:
        base=explained("base", LISTED),
        rlhf=explained("rlhf", LISTED),
        features=at_places(f"features/{{recipe}}/{{pick}}/seed{SEEDS[0]}.parquet"),
        layers=rules.quality.input.layers,
    output:
        table=at("tables/table5.csv"),
    log:
        at("logs/table5.log"),
    params:
        code=code("table5"),
        torch_threads=threads_of("other"),
        pairs=all_pairs(),
        places=LISTED,
        features=ALL_PLACES,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/table5.py"


# The words of U: what Table 3 is made from, and how often they occur.
rule section5_3:
    input:
        base=rules.table3.input.base,
        rlhf=rules.table3.input.rlhf,
        layers=rules.table3.input.layers,
        words=rules.table3.input.words,
        corpora=[at(f"corpora/{PAIRS[tuple(pair.split('/')[1:3])].corpus}/test.parquet") for pair in WORDED],
        models=[at(f"models/{pair.split('/')[1]}/model") for pair in WORDED],
    output:
        table=at("tables/section5.3.csv"),
        words=at("tables/section5.3.words.csv"),
    log:
        at("logs/section5_3.log"),
    params:
        code=code("section5_3"),
        torch_threads=threads_of("other"),
        pairs=WORDED,
        places=PLACES,
        words=rules.table3.params.words,
        top_k=CONFIG.features.top_k,
        least=CONFIG.features.min_fires,
        tokens=CONFIG.activations.tokens,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/section5_3.py"


EVERY_PLACE = places_of(all_pairs())


rule section6_1:
    input:
        base=explained("base", EVERY_PLACE),
        rlhf=explained("rlhf", EVERY_PLACE),
        layers=rules.quality.input.layers,
    output:
        table=at("tables/section6.1.csv"),
    log:
        at("logs/section6_1.log"),
    params:
        code=code("section6_1"),
        torch_threads=threads_of("other"),
        pairs=all_pairs(),
        places=EVERY_PLACE,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/section6_1.py"


for name in ("table1", "table2", "table5", "section6.1"):
    TARGETS[name] = [at(f"tables/{name}.csv")]
TARGETS["section5.3"] = [at("tables/section5.3.csv"), at("tables/section5.3.words.csv")]
