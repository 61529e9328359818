def both_sides(name):
    """A file of every seed at a place, on base and rlhf."""

    def files(side):
        def of(wildcards):
            site = site_of(wildcards.pair, side)
            return [at(f"{site}/features/{wildcards.recipe}/{wildcards.pick}/{name.format(seed=s)}") for s in SEEDS]

        return of

    return files


def small_saes(side):
    def of(wildcards):
        width = CONFIG.models[parts(wildcards)["model"]].sae.widths[0]
        folder = at(f"{site_of(wildcards.pair, side)}/saes/{wildcards.recipe}/{wildcards.pick}/width{width}")
        return [f"{folder}/seed{s}/sae.safetensors" for s in SEEDS]

    return of


SAMPLES = list(range(1, CONFIG.samples + 1))
SHOWN = dict(  # what every explainer is given; both sides, as requests to a server are shuffled over them
    base_model=base_folder,
    rlhf_model=at("{pair}/rlhf/model"),
    beside=beside_tuned,
    corpus=corpus_file("test"),
    base_features=both_sides("seed{seed}.parquet")("base"),
    rlhf_features=both_sides("seed{seed}.parquet")("rlhf"),
    base_activations=both_sides("seed{seed}.activations.parquet")("base"),
    rlhf_activations=both_sides("seed{seed}.activations.parquet")("rlhf"),
    base_sae=small_saes("base"),
    rlhf_sae=small_saes("rlhf"),
)


def explanations_of(side, explainer, samples):
    folder = f"{{pair}}/{side}/explanations/{{recipe}}/{{pick}}/{explainer}"
    return [at(f"{folder}/seed{seed}.sample{sample}.jsonl") for seed in SEEDS for sample in samples]


rule explanations:
    input:
        **SHOWN,
    output:
        base=explanations_of("base", "tokens", [1]),
        rlhf=explanations_of("rlhf", "tokens", [1]),
    log:
        at("logs/explanations/{pair}/{recipe}.{pick}.tokens.log"),
    params:
        code=code("explanations"),
        torch_threads=threads_of("other"),
        seeds=SEEDS,
        top_k=CONFIG.features.top_k,
        tokens=CONFIG.activations.tokens,
        settings=section(CONFIG.explain),
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/explanations.py"


PROMPT_FILES = {kind: os.path.relpath(file) for kind, file in prompts.files(dict(CONFIG.llm)).items()}
ASKED = ("model", "max_tokens")  # what a request says; the prompts are inputs
# Functions of `threads` are not compared with the last run's: another server, limit or budget makes nothing stale.
UNSEEN = dict(
    server=lambda wildcards, threads: {key: value for key, value in CONFIG.llm if key not in ASKED},
    cache=lambda wildcards, threads: CONFIG.cache,
)


rule llm_explanations:
    input:
        **SHOWN,
        **{kind: PROMPT_FILES[kind] for kind in prompts.EXPLAINING if kind in PROMPT_FILES},
    output:
        base=explanations_of("base", "openai", SAMPLES),
        rlhf=explanations_of("rlhf", "openai", SAMPLES),
    log:
        at("logs/llm_explanations/{pair}/{recipe}.{pick}.log"),
    params:
        code=code("llm_explanations"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        samples=SAMPLES,
        top_k=CONFIG.features.top_k,
        tokens=CONFIG.activations.tokens,
        first=CONFIG.explain.tokens,
        reviews=CONFIG.explain.reviews,
        promoted=CONFIG.explain.promoted,
        llm={key: value for key, value in CONFIG.llm if key in ASKED},
        **UNSEEN,
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/llm_explanations.py"
