# Of two checkpoints alone there is no reward to read off.
JUDGED = {pair: here for pair, here in AS_WILDCARDS.items() if CONFIG.rewarded(tuned_on(here))}


rule probe:
    input:
        activations=[
            at(f"{site_of(pair, side)}/features/{CONFIG.recipe}/{pick}/seed{seed}.activations.parquet")
            for pair in JUDGED
            for side in ("base", "rlhf")
            for pick in CHOSEN
            for seed in SEEDS
        ],
        layers=[at(f"{pair}/layers.json") for pair in JUDGED],
        tokens=[at(f"{site_of(pair, 'base')}/activations/tokens.parquet") for pair in JUDGED],
        corpus=[corpus_file("test")(here) for here in JUDGED.values()],
        model=[base_folder(here) for here in JUDGED.values()],
        rewards=[file for here in JUDGED.values() for file in reward_files(true(here))],
        spread=list(SPREADS),
        classifiers=[folder for here in JUDGED.values() if (folder := stored(true(here)))],
    output:
        table=at("tables/probe.csv"),
    log:
        at("logs/probe.log"),
    benchmark:
        at("benchmarks/probe.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("probe", *(file for here in JUDGED.values() for file in function_files(true(here)))),
        torch_threads=threads_of("other"),
        pairs=list(JUDGED),
        picks=CHOSEN,
        seeds=SEEDS,
        tokens=CONFIG.activations.tokens,
        rewards={pair: source_of(true(here)) for pair, here in JUDGED.items()},
        classified=[pair for pair, here in JUDGED.items() if stored(true(here))],
    script:
        "../scripts/probe.py"


TARGETS["probe"] = [at("tables/probe.csv")]
