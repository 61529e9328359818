rule probe:
    input:
        activations=[
            at(f"{site_of(pair, side)}/features/{CONFIG.recipe}/{pick}/seed{seed}.activations.parquet")
            for pair in all_pairs()
            for side in ("base", "rlhf")
            for pick in CHOSEN
            for seed in SEEDS
        ],
        layers=LAYERS,
        tokens=[at(f"{site_of(pair, 'base')}/activations/tokens.parquet") for pair in all_pairs()],
        corpus=[corpus_file("test")(here) for here in AS_WILDCARDS.values()],
        model=[base_folder(here) for here in AS_WILDCARDS.values()],
        rewards=[file for here in AS_WILDCARDS.values() for file in reward_files(true(here))],
        classifiers=[folder for here in AS_WILDCARDS.values() if (folder := stored(true(here)))],
    output:
        table=at("tables/probe.csv"),
    log:
        at("logs/probe.log"),
    benchmark:
        at("benchmarks/probe.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("probe", *(file for here in AS_WILDCARDS.values() for file in function_files(true(here)))),
        torch_threads=threads_of("other"),
        pairs=all_pairs(),
        picks=CHOSEN,
        seeds=SEEDS,
        tokens=CONFIG.activations.tokens,
        rewards={pair: source_of(true(here)) for pair, here in AS_WILDCARDS.items()},
        classified=[pair for pair, here in AS_WILDCARDS.items() if stored(true(here))],
    script:
        "../scripts/probe.py"


TARGETS["probe"] = [at("tables/probe.csv")]
