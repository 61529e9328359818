# How well explanations predict held text (simulation, detection), and whether what they say a feature promotes is so.
SCORES = at("{pair}/%s/scores/%s/{recipe}/{pick}/{explainer}/seed%d.sample%d.parquet")


def explained_here(side):
    """The explanations of every seed and sample at a place."""
    folder = at("{pair}/%s/explanations/{recipe}/{pick}/{explainer}" % side)
    return [f"{folder}/seed{seed}.sample{sample}.jsonl" for seed in SEEDS for sample in SAMPLES]


def scored_here(side, scorer):
    return [SCORES % (side, scorer, seed, sample) for seed in SEEDS for sample in SAMPLES]


def index_of(wildcards):
    """The token index of the base side: both sides read the same documents."""
    return at(f"{site_of(wildcards.pair, 'base')}/activations/tokens.parquet")


def by_llm(value):
    """What only explanations of a chat model need: their scores are asked of it too."""
    return lambda wildcards: value(wildcards) if wildcards.explainer == "openai" else []


# Both sides in one job: requests to a language model are shuffled over sides.
rule scores:
    input:
        base_model=base_folder,
        tokens=index_of,
        base=explained_here("base"),
        rlhf=explained_here("rlhf"),
        base_activations=both_sides("seed{seed}.activations.parquet")("base"),
        rlhf_activations=both_sides("seed{seed}.activations.parquet")("rlhf"),
        prompt=by_llm(lambda wildcards: PROMPT_FILES[prompts.SCORING[wildcards.scorer]]),
    output:
        base=scored_here("base", "{scorer}"),
        rlhf=scored_here("rlhf", "{scorer}"),
    wildcard_constraints:
        scorer="simulation|detection",
    log:
        at("logs/scores/{pair}/{recipe}.{pick}.{explainer}.{scorer}.log"),
    params:
        code=code("scores"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        samples=len(SAMPLES),
        tokens=CONFIG.scores.tokens,
        windows=CONFIG.scores.windows,
        llm=by_llm(lambda _: {"model": CONFIG.llm.model}),
        **UNSEEN,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/scores.py"


rule promotes:
    input:
        base_model=base_folder,
        rlhf_model=at("{pair}/rlhf/model"),
        layers=at("{pair}/layers.json"),
        tokens=index_of,
        base=explained_here("base"),
        rlhf=explained_here("rlhf"),
        base_activations=both_sides("seed{seed}.activations.parquet")("base"),
        rlhf_activations=both_sides("seed{seed}.activations.parquet")("rlhf"),
        base_sae=small_saes("base"),
        rlhf_sae=small_saes("rlhf"),
    output:
        base=scored_here("base", "promotes"),
        rlhf=scored_here("rlhf", "promotes"),
    log:
        at("logs/promotes/{pair}/{recipe}.{pick}.{explainer}.log"),
    params:
        code=code("promotes"),
        torch_threads=threads_of("other"),
        seed=CONFIG.seed,
        seeds=SEEDS,
        samples=len(SAMPLES),
        at=CONFIG.activations.at,
        settings=section(CONFIG.scores),
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/promotes.py"


SCORED = [(pair, side, pick, seed, sample) for pair, pick, seed, sample in EVERY_PLACE for side in ("base", "rlhf")]


def scored(scorer):
    folder = f"scores/{scorer}/{CONFIG.recipe}"
    return [at(f"{pair}/{side}/{folder}/{pick}/{CONFIG.explainer}/seed{seed}.sample{sample}.parquet") for pair, side, pick, seed, sample in SCORED]


rule scores_table:
    input:
        simulation=scored("simulation"),
        detection=scored("detection"),
        promotes=scored("promotes"),
        layers=rules.quality.input.layers,
    output:
        table=at("tables/scores.csv"),
    log:
        at("logs/scores_table.log"),
    params:
        code=code("scores_table"),
        torch_threads=threads_of("other"),
        pairs=all_pairs(),
        places=SCORED,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/scores_table.py"


TARGETS["scores"] = [at("tables/scores.csv")]
