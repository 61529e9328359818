def chosen_layers(wildcards):
    return [] if wildcards.site.startswith("bases/") else at(f"{pair_of(wildcards)}/layers.json")


def shards(path):
    """Activation shards, freed once used where the config says so."""
    return directory(path) if CONFIG.activations.keep else temp(directory(path))


JOBS = CONFIG.activations.shards  # of an extraction
SHARE = "{part}" if JOBS > 1 else "0"
LOGGED = "{site}/part{part}" if JOBS > 1 else "{site}"


def shard_folders(path):
    """The folders of a site's shards at a pick; `path` is without its end, `/part0`."""
    return [f"{path}/part{p}" for p in range(JOBS)]


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
        shards=[shards(at(f"{{site}}/activations/{pick}/part{SHARE}")) for pick in PICKS],
        **(PIECES if JOBS > 1 else WHOLE),
    log:
        at(f"logs/activations/{LOGGED}.log"),
    params:
        code=code("activations"),
        torch_threads=threads_of("activations"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        corpus=lambda w: parts(w)["corpus"],
        picks=PICKS,
        settings={key: value for key, value in section(CONFIG.activations).items() if key not in ("keep", "shards")},
        share=lambda w: (int(w.get("part", 0)), JOBS),
        work=at(f".work/activations/{LOGGED}"),
    threads: threads_of("activations")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
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
        params:
            code=code("moments"),
            torch_threads=threads_of("other"),
        priority: CHAIN
        conda:
            "../../envs/torch.yaml"
        script:
            "../scripts/moments.py"
