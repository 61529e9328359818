rule table3:
    input:
        base=explained("base", PLACES),
        rlhf=explained("rlhf", PLACES),
        layers=[at(f"{pair}/layers.json") for pair in WORDED],
        words=WORD_FILES,
        vocabulary=[vocabulary_of(AS_WILDCARDS[pair]) for pair in WORDED],
        controls=[at(f"{pair}/controls/promoted.parquet") for pair in WORDED],
        completions=[at(f"{pair}/rlhf/completions.parquet") for pair in WORDED],
        control_base=[file for recipe in CONFIG.controls for file in explained("base", CONTROLLED, recipe)],
        control_rlhf=[file for recipe in CONFIG.controls for file in explained("rlhf", CONTROLLED, recipe)],
    output:
        table=report(at("tables/table3.csv"), "../report/table3.rst", "Tables", labels={"table": "3: what features fire on"}),
    log:
        at("logs/table3.log"),
    benchmark:
        at("benchmarks/table3.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("table3"),
        pairs=WORDED,
        places=PLACES,
        words=WORDS,
        twins=TWINS,
        controls=CONFIG.controls,
        controlled=CONTROLLED,
        top_k=CONFIG.features.top_k,
        seed=CONFIG.seed,
    script:
        "../scripts/table3.py"


rule table4:
    input:
        base=[at(f"{pair}/base/completions.parquet") for pair in all_pairs()],
        rlhf=[at(f"{pair}/rlhf/completions.parquet") for pair in all_pairs()],
        words=WORD_FILES,
        spread=list(SPREADS),
        training=[at(f"{pair}/rlhf/training.parquet") for pair in TUNED_HERE],
    output:
        table=report(at("tables/table4.csv"), "../report/table4.rst", "Tables", labels={"table": "4: completions"}),
    log:
        at("logs/table4.log"),
    benchmark:
        at("benchmarks/table4.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("table4"),
        pairs=all_pairs(),
        tuned_here=TUNED_HERE,
        words={pair: WORDS.get(pair) for pair in all_pairs()},
        twins=TWINS,
        resamples=CONFIG.bootstrap,
        seed=CONFIG.seed,
    script:
        "../scripts/table4.py"


# Of a base that runs share there is one row. The nulls, which train autoencoders of their own, are made of every pair's first run.
FIRST_OF_SITE = {(site_of(pair, side), pick): (pair, side, pick) for pair, side, pick in reversed(ALL_SITES)}
QUALITY_SITES = [place for place in ALL_SITES if place in FIRST_OF_SITE.values()]
NULLED = [place for place in QUALITY_SITES if first_run(place[0]) == place[0]]


rule quality:
    input:
        metrics=[
            at(f"{site_of(pair, side)}/saes/{CONFIG.recipe}/{pick}/width{width}/seed{seed}/metrics.json")
            for pair, side, pick in QUALITY_SITES
            for width in CONFIG.models[pair.split("/")[1]].sae.widths
            for seed in SEEDS
        ],
        mmcs=[at(f"{site_of(pair, side)}/features/{CONFIG.recipe}/{pick}/mmcs.csv") for pair, side, pick in QUALITY_SITES],
        nulls=[at(f"{site_of(pair, side)}/nulls/{CONFIG.recipe}/{pick}.parquet") for pair, side, pick in NULLED],
        layers=LAYERS,
    output:
        table=report(at("tables/quality.csv"), "../report/quality.rst", "Tables", labels={"table": "quality of the autoencoders"}),
    log:
        at("logs/quality.log"),
    benchmark:
        at("benchmarks/quality.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("quality"),
        pairs=all_pairs(),
        places=[(CONFIG.recipe, *place) for place in QUALITY_SITES],
        nulled=[(CONFIG.recipe, *place) for place in NULLED],
        seeds=len(SEEDS),
    script:
        "../scripts/quality.py"


# The same of every recipe under `recipe` and `controls`, of first runs.
OF_RECIPES = [(recipe, *place) for recipe in (CONFIG.recipe, *CONFIG.controls) for place in NULLED if place[0].split("/")[2] not in TWINS]


rule dictionaries:
    input:
        metrics=[
            at(f"{site_of(pair, side)}/saes/{recipe}/{pick}/width{width}/seed{seed}/metrics.json")
            for recipe, pair, side, pick in OF_RECIPES
            for width in CONFIG.models[pair.split("/")[1]].sae.widths
            for seed in SEEDS
        ],
        mmcs=[at(f"{site_of(pair, side)}/features/{recipe}/{pick}/mmcs.csv") for recipe, pair, side, pick in OF_RECIPES],
        nulls=[at(f"{site_of(pair, side)}/nulls/{recipe}/{pick}.parquet") for recipe, pair, side, pick in OF_RECIPES],
        layers=LAYERS,
    output:
        table=report(at("tables/dictionaries.csv"), "../report/dictionaries.rst", "Tables", labels={"table": "recipes of the autoencoders"}),
    log:
        at("logs/dictionaries.log"),
    benchmark:
        at("benchmarks/dictionaries.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("quality"),
        pairs=all_pairs(),
        places=OF_RECIPES,
        nulled=OF_RECIPES,
        seeds=len(SEEDS),
    script:
        "../scripts/quality.py"


# Reward and KL of every run that is tuned here; those of one model and reward source are compared at one KL.
rule methods:
    input:
        training=[at(f"{pair}/rlhf/training.parquet") for pair in TUNED_HERE],
    output:
        table=at("tables/methods.csv"),
    log:
        at("logs/methods.log"),
    benchmark:
        at("benchmarks/methods.tsv")
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("methods"),
        pairs=TUNED_HERE,
        rewards={pair: source_of(tuned_on(AS_WILDCARDS[pair])) for pair in TUNED_HERE},
    script:
        "../scripts/methods.py"


for name in ("table3", "table4", "quality", "dictionaries", "methods"):
    TARGETS[name] = [at(f"tables/{name}.csv")]
TARGETS["perplexity"] = [at(f"models/{model}/perplexity.json") for model in CORPUS_OF]
