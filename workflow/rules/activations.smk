SHARE = "{part}" if JOBS > 1 else "0"
LOGGED = "{site}/part{part}" if JOBS > 1 else "{site}"


# One job writes all; of several each writes its shards, and `moments` brings the rest together.
WHOLE = {"moments": [at(f"{{site}}/activations/{pick}.moments.safetensors") for pick in PICKS], "tokens": at("{site}/activations/tokens.parquet")}
PIECES = {
    "sums": [temp(directory(at(f"{{site}}/activations/{pick}/sums{{part}}"))) for pick in PICKS],
    "tokens": temp(at("{site}/activations/tokens{part}.parquet")),
}


rule activations:
    input:
        model=model_folder,
        beside=beside_tuned,
        corpus=corpus_file("test"),
        layers=chosen_layers,
    output:
        **(PIECES if JOBS > 1 else WHOLE),
        shards=[shards(at(f"{{site}}/activations/{pick}/part{SHARE}")) for pick in PICKS],
    log:
        at(f"logs/activations/{LOGGED}.log"),
    benchmark:
        at(f"benchmarks/activations/{LOGGED}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    threads: threads_of("activations")
    params:
        code=code("activations"),
        torch_threads=threads_of("activations"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        corpus=lambda w: parts(w)["corpus"],
        picks=PICKS,
        settings={key: value for key, value in section(CONFIG.activations).items() if key not in ("keep", "shards")},
        share=lambda w: (int(w.get("part", 0)), JOBS),
    script:
        "../scripts/activations.py"


if JOBS > 1:

    rule moments:
        input:
            sums=[at(f"{{site}}/activations/{pick}/sums{p}") for pick in PICKS for p in range(JOBS)],
            tokens=[at(f"{{site}}/activations/tokens{p}.parquet") for p in range(JOBS)],
        output:
            **WHOLE,
        log:
            at("logs/moments/{site}.log"),
        benchmark:
            at("benchmarks/moments/{site}.tsv")
        priority: CHAIN
        conda:
            "../../envs/torch.yaml"
        params:
            code=code("moments"),
        script:
            "../scripts/moments.py"
