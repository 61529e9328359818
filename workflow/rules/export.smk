# Autoencoders, features, explanations and findings as other tools load them.
EXPORTED = [
    f"{site_of(pair, side)}/saes/{recipe}/{pick}/width{width}/seed{seed}"
    for recipe, sites in [
        (CONFIG.recipe, ALL_SITES),
        *((recipe, [(pair, side, pick) for pair, pick, _, _ in CONTROLLED for side in ("base", "rlhf")]) for recipe in CONFIG.controls),
    ]
    for pair, side, pick in sites
    for width in CONFIG.models[pair.split("/")[1]].sae.widths
    for seed in SEEDS
]


rule export:
    input:
        saes=once(at(f"{folder}/sae.safetensors") for folder in EXPORTED),
        cfg=once(at(f"{folder}/cfg.json") for folder in EXPORTED),
        metrics=once(at(f"{folder}/metrics.json") for folder in EXPORTED),
        features=once([*features_at("base", ".parquet", EVERY_PLACE), *features_at("rlhf", ".parquet", EVERY_PLACE)]),
        explanations=[*explained("base", EVERY_PLACE), *explained("rlhf", EVERY_PLACE)],
        findings=at("tables/findings.csv"),
        layers=LAYERS,
    output:
        export=directory(at("export")),
    log:
        at("logs/export.log"),
    benchmark:
        at("benchmarks/export.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("export"),
        pairs=all_pairs(),
        tuned={pair: how_tuned(pair) for pair in all_pairs()},
        checkpoints={model: CONFIG.models[model].hub or model for model in CORPUS_OF},
        hub=sorted(hub for model in CORPUS_OF if (hub := CONFIG.models[model].hub)),
        at=CONFIG.activations.at,
    script:
        "../scripts/export.py"


TARGETS["export"] = [at("export")]
