# report.html shows what the config's targets make, and what was made on the way to it: it asks for no further stage.
MAKES = {name: {target for target in targets if target in CONFIG.targets and TARGETS[target]} for name, targets in {
    "explanations": ("table3", "section5.3", "table5", "section6.1", "scores", "export"),
    "every": ("table5", "section6.1", "scores", "export"),  # those explain every pair; the others the pairs whose reward has a word table
    "comparison": ("comparison", "step4"),
    "quality": ("quality",),
    "completions": ("table4",),
    "findings": ("findings",),
    "crosscoder": ("crosscoder",),
}.items()}  # fmt: skip
WANTED = [file for name in CONFIG.targets for file in TARGETS.get(name, ())]
REPORTED = [file for file in WANTED if file.endswith((".csv", "perplexity.json", "metrics.json")) and not file.startswith(at("figures/"))]
DRAWN = [file for name in ("figure4", "table6", "section6.2") if name in CONFIG.targets for file in TARGETS[name] if file.endswith(".svg")]
BROWSED = (all_pairs() if MAKES["every"] else WORDED) if MAKES["explanations"] else []
SEEDS_SHOWN = SEEDS[: max(1, CONFIG.report.features // max(1, 2 * len(BROWSED) * len(CHOSEN) * CONFIG.features.top_k))]
BROWSED_PLACES = [(pair, pick, seed, SAMPLES[0]) for pair in BROWSED for pick in CHOSEN for seed in SEEDS_SHOWN]
CROSSCODED_SHOWN = [(pair, pick) for pair, pick in CROSSCODED if pair in BROWSED and MAKES["crosscoder"]]


SCORERS = ("simulation", "detection", "promotes") if "scores" in CONFIG.targets else ()


rule report:
    input:
        tables=REPORTED,
        pictures=DRAWN,
        layers=LAYERS,
        divergence=[at(f"{pair}/divergence.csv") for pair in all_pairs()],
        training=[at(f"{pair}/rlhf/training.parquet") for pair in TUNED_HERE],
        base_completions=[at(f"{pair}/base/completions.parquet") for pair in all_pairs() if MAKES["completions"]],
        rlhf_completions=[at(f"{pair}/rlhf/completions.parquet") for pair in all_pairs() if MAKES["completions"]],
        base_further=[at(f"{pair}/base/further_completions.parquet") for pair in all_pairs() if MAKES["completions"]],
        rlhf_further=[at(f"{pair}/rlhf/further_completions.parquet") for pair in all_pairs() if MAKES["completions"]],
        base_explanations=explained("base", BROWSED_PLACES),
        rlhf_explanations=explained("rlhf", BROWSED_PLACES),
        base_features=features_at("base", ".parquet", BROWSED_PLACES),
        rlhf_features=features_at("rlhf", ".parquet", BROWSED_PLACES),
        base_activations=features_at("base", ".activations.parquet", BROWSED_PLACES),
        rlhf_activations=features_at("rlhf", ".activations.parquet", BROWSED_PLACES),
        base_nulls=nulls_of(BROWSED if MAKES["quality"] else [], "base"),
        rlhf_nulls=nulls_of(BROWSED if MAKES["quality"] else [], "rlhf"),
        tokens=of_pairs(BROWSED, "base", "activations/tokens.parquet"),
        base_scores=[file for scorer in SCORERS for file in scored(scorer, [(pair, "base", *rest) for pair, *rest in BROWSED_PLACES])],
        rlhf_scores=[file for scorer in SCORERS for file in scored(scorer, [(pair, "rlhf", *rest) for pair, *rest in BROWSED_PLACES])],
        comparison=[at(f"{pair}/comparison.parquet") for pair in BROWSED if MAKES["comparison"]],
        groups=[at(f"{pair.rsplit('/', 1)[0]}/groups.parquet") for pair in BROWSED if MAKES["comparison"]],
        changes=[at(f"{pair}/changes.parquet") for pair in BROWSED if MAKES["findings"]],
        crosscoder_explanations=[crosscoder_file(pair, pick, "explanations.jsonl") for pair, pick in CROSSCODED_SHOWN],
        crosscoder_fires=[crosscoder_file(pair, pick, "fires.parquet") for pair, pick in CROSSCODED_SHOWN],
        models=[at(f"models/{pair.split('/')[1]}/model") for pair in BROWSED],
        corpora=[at(f"corpora/{PAIRS[tuple(pair.split('/')[1:3])].corpus}/test.parquet") for pair in BROWSED],
        words=WORD_FILES,
        placebos=[at(f"rewards/{reward}/twin.json") for reward in TWINS],
    output:
        report=at("report.html"),
    log:
        at("logs/report.log"),
    benchmark:
        at("benchmarks/report.tsv")
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("report"),
        pairs=all_pairs(),
        missing=without.left_out(),
        tuned_here=TUNED_HERE,
        browsed=BROWSED,
        picks=CHOSEN,
        shown=BROWSED_PLACES,
        crosscoded=CROSSCODED_SHOWN,
        tokens=CONFIG.activations.tokens,
        scorers=SCORERS,
        words=WORDS,
        rewards={pair: source_of(tuned_on(here)) | preferred(pair) for pair, here in AS_WILDCARDS.items()},
        prompted=[pair for pair, here in AS_WILDCARDS.items() if CONFIG.rlhf_of(tuned_on(here)).reward_on == "both"],
        twins=TWINS,
    script:
        "../scripts/report.py"


TARGETS["report"] = [at("report.html")]
