from types import SimpleNamespace

PROBED = {pair: SimpleNamespace(pair=pair) for pair in all_pairs()}  # as the wildcards that file functions take


rule probe:
    input:
        activations=[
            at(f"{site_of(pair, side)}/features/{CONFIG.recipe}/{pick}/seed{seed}.activations.parquet")
            for pair in PROBED
            for side in ("base", "rlhf")
            for pick in CHOSEN
            for seed in SEEDS
        ],
        layers=[at(f"{pair}/layers.json") for pair in PROBED],
        tokens=[at(f"{site_of(pair, 'base')}/activations/tokens.parquet") for pair in PROBED],
        corpus=[corpus_file("test")(pair) for pair in PROBED.values()],
        model=[base_folder(pair) for pair in PROBED.values()],
        rewards=[file for pair in PROBED.values() if (file := reward_file(pair))],
    output:
        table=at("tables/probe.csv"),
    log:
        at("logs/probe.log"),
    params:
        code=code("probe"),
        torch_threads=threads_of("other"),
        pairs=list(PROBED),
        picks=CHOSEN,
        seeds=SEEDS,
        tokens=CONFIG.activations.tokens,
        rewards={pair: (reward_of(here), reward_file(here)) for pair, here in PROBED.items()},
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/probe.py"


TARGETS["probe"] = [at("tables/probe.csv")]
