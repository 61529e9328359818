# Rows of Table 3 are the pairs whose reward has a word table; Table 4 has every pair, its words where there is a table.
WORDS = {pair: words for pair in all_pairs() if (words := CONFIG.rewards[pair.split("/")[2]].words)}
WORDED = list(WORDS)
WORD_FILES = sorted(set(WORDS.values()) - {"vader"})


def places_of(pairs):
    return [(pair, pick, seed, sample) for pair in pairs for pick in CHOSEN for seed in SEEDS for sample in SAMPLES]


def explained(side, places):
    folder = f"explanations/{CONFIG.recipe}"
    return [
        at(f"{pair}/{side}/{folder}/{pick}/{CONFIG.explainer}/seed{seed}.sample{sample}.jsonl")
        for pair, pick, seed, sample in places
    ]


PLACES = places_of(WORDED)


rule table3:
    input:
        base=explained("base", PLACES),
        rlhf=explained("rlhf", PLACES),
        layers=[at(f"{pair}/layers.json") for pair in WORDED],
        words=WORD_FILES,
    output:
        table=report(at("tables/table3.csv"), "../report/table3.rst", "Tables", labels={"table": "3: what features fire on"}),
    log:
        at("logs/table3.log"),
    params:
        code=code("table3"),
        torch_threads=threads_of("other"),
        pairs=WORDED,
        places=PLACES,
        words=WORDS,
        top_k=CONFIG.features.top_k,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/table3.py"


rule table4:
    input:
        base=[at(f"{pair}/base/completions.parquet") for pair in all_pairs()],
        rlhf=[at(f"{pair}/rlhf/completions.parquet") for pair in all_pairs()],
        words=WORD_FILES,
    output:
        table=report(at("tables/table4.csv"), "../report/table4.rst", "Tables", labels={"table": "4: completions"}),
    log:
        at("logs/table4.log"),
    params:
        code=code("table4"),
        torch_threads=threads_of("other"),
        pairs=all_pairs(),
        words={pair: WORDS.get(pair) for pair in all_pairs()},
        resamples=CONFIG.bootstrap,
        seed=CONFIG.seed,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/table4.py"


ALL_PLACES = [(pair, side, pick) for pair in all_pairs() for side in ("base", "rlhf") for pick in CHOSEN]


def at_places(path):
    """A file of every place, for the recipe that the tables use."""
    return [at(f"{site_of(pair, side)}/{path.format(recipe=CONFIG.recipe, pick=pick)}") for pair, side, pick in ALL_PLACES]


rule quality:
    input:
        metrics=[
            at(f"{site_of(pair, side)}/saes/{CONFIG.recipe}/{pick}/width{width}/seed{seed}/metrics.json")
            for pair, side, pick in ALL_PLACES
            for width in CONFIG.models[pair.split("/")[1]].sae.widths
            for seed in SEEDS
        ],
        mmcs=at_places("features/{recipe}/{pick}/mmcs.csv"),
        nulls=at_places("nulls/{recipe}/{pick}.parquet"),
        layers=[at(f"{pair}/layers.json") for pair in all_pairs()],
    output:
        table=report(at("tables/quality.csv"), "../report/quality.rst", "Tables", labels={"table": "quality of the autoencoders"}),
    log:
        at("logs/quality.log"),
    params:
        code=code("quality"),
        torch_threads=threads_of("other"),
        pairs=all_pairs(),
        places=ALL_PLACES,
        seeds=len(SEEDS),
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/quality.py"


for name in ("table3", "table4", "quality"):
    TARGETS[name] = [at(f"tables/{name}.csv")]
TARGETS["perplexity"] = [at(f"models/{model}/perplexity.json") for model in CORPUS_OF]
