# Files at places. A place is a site and a pick: its activations, SAEs and features, both sides' explanations and scores.
from types import SimpleNamespace


# ---- of one job, by its wildcards ------------------------------------------------------------
def chosen_layers(wildcards):
    """The picks of a site. A base that is shared has those of any of its runs; where they are pinned it waits for none."""
    if not wildcards.site.startswith("bases/"):
        return at(f"{pair_of(wildcards)}/layers.json")
    return [] if CONFIG.layers else at(f"{pairs_of(wildcards.site.split('/')[1])[0]}/layers.json")


def shards(path):
    """Activation shards, freed once used where the config says so."""
    return directory(path) if CONFIG.activations.keep else temp(directory(path))


def shard_folders(path):
    """The folders of a site's shards at a pick; `path` is without its end, `/part0`."""
    return [f"{path}/part{p}" for p in range(JOBS)]


def recipe_of(wildcards):
    """The recipe and, resolved, the L1 coefficient that it or the model sets, or the L0 that the model has in its place."""
    recipe, model = CONFIG.sae_recipes[wildcards.recipe].settings(), parts(wildcards)["model"]
    l1 = CONFIG.l1(model, wildcards.recipe)
    return {**recipe, "l1": l1} | ({"l0": CONFIG.models[model].sae.l0} if l1 is None else {})


def recipes_that(are_given):
    """A pattern of the recipes whose dictionaries are given, or of those that train some."""
    return "|".join(re.escape(name) for name, recipe in CONFIG.sae_recipes.items() if bool(recipe.given) == are_given) or "(?!)"


def given_files(wildcards):
    """The files of a dictionary that was trained elsewhere."""
    here = parts(wildcards)
    sides = dict(CONFIG.sae_recipes[wildcards.recipe].given[wildcards.pick])
    folder = sides[here["side"]][CONFIG.models[here["model"]].sae.widths.index(int(wildcards.width))]
    return given([os.path.normpath(os.path.join(folder, file)) for file in GIVEN_FILES])


def l1_file(wildcards):
    """The L1 coefficient that was found on the base side, where the config has an L0 in its place."""
    recipe = wildcards.recipe
    if CONFIG.l1(parts(wildcards)["model"], recipe) is not None:
        return []
    of_site = "site" in wildcards.keys() and (wildcards.site if parts(wildcards)["side"] == "base" else site_of(pair_of(wildcards), "base"))
    return at(f"{of_site or site_of(wildcards.pair, 'base')}/saes/{recipe}/{wildcards.pick}/l1.json")


def sae_files(name):
    """A file of every seed's SAE at a place, small width first."""

    def files(wildcards):
        folder = at(f"{wildcards.site}/saes/{wildcards.recipe}/{wildcards.pick}")
        return [f"{folder}/width{w}/seed{s}/{name}" for w in CONFIG.models[parts(wildcards)["model"]].sae.widths for s in SEEDS]

    return files


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


def of_every_pick(path, side):
    """Files of one side at every pick, for the recipe that the tables use."""
    return lambda w: [
        at(path.format(site=site_of(w.pair, side), recipe=CONFIG.recipe, pick=pick, seed=seed))
        for pick in CHOSEN
        for seed in (SEEDS if "{seed}" in path else [0])
    ]


def small_of_every_pick(side, seed="{seed}"):
    """The small SAE of every seed, or of one."""

    def of(wildcards):
        width = CONFIG.models[parts(wildcards)["model"]].sae.widths[0]
        return of_every_pick(f"{{site}}/saes/{{recipe}}/{{pick}}/width{width}/seed{seed}/sae.safetensors", side)(wildcards)

    return of


def shards_of_every_pick(side):
    picks = of_every_pick("{site}/activations/{pick}", side)
    return lambda wildcards: [folder for path in picks(wildcards) for folder in shard_folders(path)]


def explanations_of(side, explainer, samples):
    """The explanations of every seed and of these samples at a place."""
    folder = f"{{pair}}/{side}/explanations/{{recipe}}/{{pick}}/{explainer}"
    return [at(f"{folder}/seed{seed}.sample{sample}.jsonl") for seed in SEEDS for sample in samples]


def scores_of(side, scorer):
    folder = f"{{pair}}/{side}/scores/{scorer}/{{recipe}}/{{pick}}/{{explainer}}"
    return [at(f"{folder}/seed{seed}.sample{sample}.parquet") for seed in SEEDS for sample in SAMPLES]


def vocabulary_of(wildcards):
    """The whole-word tokens of a pair's model, in its corpus."""
    here = parts(wildcards)
    return at(f"corpora/{here['corpus']}/vocabulary.{here['model']}.parquet")


def index_of(wildcards):
    """The token index of the base side: both sides read the same documents."""
    return at(f"{site_of(wildcards.pair, 'base')}/activations/tokens.parquet")


def by_llm(value):
    """What only explanations of a chat model need: their scores are asked of it too."""
    return lambda wildcards: value(wildcards) if wildcards.explainer == "openai" else []


# What the chat server is asked with: prompts are inputs, what a request says is in the params.
PROMPT_FILES = {kind: given(os.path.relpath(file)) for kind, file in prompts.files(dict(CONFIG.llm)).items()}
ASKED = ("model", "max_tokens")
# Functions of `threads` are not compared with the last run's: another server, limit or budget makes nothing stale.
UNSEEN = dict(
    server=lambda wildcards, threads: {key: value for key, value in CONFIG.llm if key not in ASKED},
    cache=lambda wildcards, threads: CONFIG.cache,
)


# ---- of all pairs ----------------------------------------------------------------------------
def places_of(pairs):
    return [(pair, pick, seed, sample) for pair in pairs for pick in CHOSEN for seed in SEEDS for sample in SAMPLES]


# Rows of Table 3 are the pairs whose reward has a word table; Table 4 has every pair, its words where there is a table.
WORDS = {pair: words for pair in all_pairs() if (words := CONFIG.rewards[yardstick(pair.split("/")[2])].words)}
WORDED = list(WORDS)
WORD_FILES = given(sorted(set(WORDS.values()) - {"vader"}))
PLACES, EVERY_PLACE = places_of(WORDED), places_of(all_pairs())
FILMED = [pair for pair in all_pairs() if CONFIG.corpora[PAIRS[tuple(pair.split("/")[1:3])].corpus].opinions]  # rows of section 6.1
ALL_SITES = [(pair, side, pick) for pair in all_pairs() for side in ("base", "rlhf") for pick in CHOSEN]
LAYERS = [at(f"{pair}/layers.json") for pair in all_pairs()]
TUNED_HERE = [pair for pair in all_pairs() if not PAIRS[tuple(pair.split("/")[1:3])].rlhf]
TWINS = {pair.reward: yardstick(pair.reward) for pair in CONFIG.pairs if yardstick(pair.reward) != pair.reward}  # twin -> true reward
AS_WILDCARDS = {pair: SimpleNamespace(pair=pair) for pair in all_pairs()}  # for the functions of wildcards above
SPREADS = {  # each once; asked for by the tables that a reward without a spread leaves empty, which do not read them
    at(f"rewards/{true(here)}/spread.{parts(here)['corpus']}.json"): pair
    for pair, here in AS_WILDCARDS.items()
    if CONFIG.rewards[true(here)].function or CONFIG.rewards[true(here)].classifier
}


def explained(side, places, recipe=CONFIG.recipe):
    folder = f"explanations/{recipe}"
    return [at(f"{pair}/{side}/{folder}/{pick}/{CONFIG.explainer}/seed{seed}.sample{sample}.jsonl") for pair, pick, seed, sample in places]


def scored(scorer, places):
    folder = f"scores/{scorer}/{CONFIG.recipe}"
    return [at(f"{pair}/{side}/{folder}/{pick}/{CONFIG.explainer}/seed{seed}.sample{sample}.parquet") for pair, side, pick, seed, sample in places]


def features_at(side, name, places):
    """A file beside the features of each place and seed."""
    return [at(f"{site_of(pair, side)}/features/{CONFIG.recipe}/{pick}/seed{seed}{name}") for pair, pick, seed, _ in places]


def at_sites(path):
    """A file of every site and pick, for the recipe that the tables use."""
    return [at(f"{site_of(pair, side)}/{path.format(recipe=CONFIG.recipe, pick=pick)}") for pair, side, pick in ALL_SITES]


def runs_of(wildcards):
    """The runs of a model and reward."""
    return [pair for pair in all_pairs() if pair.split("/")[1:3] == [wildcards.model, wildcards.reward]]


def of_every_run(files):
    """Files of every run of a model and reward; `files` are those of one."""
    return lambda wildcards: [file for pair in runs_of(wildcards) for file in files(AS_WILDCARDS[pair])]


def of_pairs(pairs, side, path):
    return [at(f"{site_of(pair, side)}/{path}") for pair in pairs]


def first_run(pair):
    return re.sub(r"\d+$", "1", pair)


# Other recipes' dictionaries, of the first run of each true reward.
CONTROLLED = [place for place in PLACES if first_run(place[0]) == place[0] and place[0].split("/")[2] not in TWINS] if CONFIG.controls else []


def joint_files(wildcards):
    """The dictionaries of both sides at every pick, of a pair's first run; of another none, nor where the recipe trains none."""
    if wildcards.pair != first_run(wildcards.pair) or CONFIG.sae_recipes[CONFIG.recipe].given:
        return []
    return [joint_file(wildcards.pair, CONFIG.recipe, pick, f"{kind}.safetensors") for pick in CHOSEN for kind in ("shared", "difference")]


def joint_file(pair, recipe, pick, name):
    width = CONFIG.models[pair.split("/")[1]].sae.widths[0]
    return at(f"{pair}/joint/{recipe}/{pick}/width{width}/seed1/{name}")


def crosscoder_file(pair, pick, name):
    return joint_file(pair, CONFIG.crosscoder, pick, f"crosscoder/{name}")


CROSSCODED = [(pair, pick) for pair in all_pairs() if first_run(pair) == pair for pick in CHOSEN] if CONFIG.crosscoder else []


def nulls_of(pairs, side):
    """The nulls beside each place of the pairs: they are made of a pair's first run."""
    return [file for pick in CHOSEN for file in of_pairs(map(first_run, pairs), side, f"nulls/{CONFIG.recipe}/{pick}.parquet")]


# ---- of the export ---------------------------------------------------------------------------
def once(files):
    """Without what several pairs share."""
    return list(dict.fromkeys(files))


def how_tuned(pair):
    """In words; a folder of the user's is not named."""
    given = PAIRS[tuple(pair.split("/")[1:3])].rlhf
    return f"tuned here on {tuned_on(AS_WILDCARDS[pair])}" if not given else f"checkpoint given {tuned_checkpoint(given).get('hub', '')}".strip()


# ---- of sweeps -------------------------------------------------------------------------------
SWEEPS = {
    "l1": [{"l1_on": penalty, "l1": l1} for penalty in ("activations", "weights") for l1 in getattr(CONFIG.sweeps.l1, penalty)],
    "tied": [{"tied": True}, {"tied": False}],
}


def l1_of(pair):
    model = pair.split("/")[1]
    return CONFIG.l1(model, CONFIG.recipe)


def sweep_recipes(wildcards):
    """The recipe of every training of a sweep; a frozen decoder could be neither tied nor penalised."""
    common = {**CONFIG.sae_recipes[CONFIG.recipe].settings(), "l1": l1_of(wildcards.site), "epochs": CONFIG.sweeps.epochs, "frozen_decoder": False}
    return [{**common, **change} for change in SWEEPS[wildcards.sweep]]


def swept(sweep):
    """The pairs that stand for the sweep's models: the first one of each under `pairs`, its first run."""
    models = getattr(CONFIG.sweeps, sweep).models or CORPUS_OF
    return [next(pair for pair in all_pairs() if pair.split("/")[1] == model) for model in models if model in CORPUS_OF]


def swept_places(sweep, picks):
    return [(pair, pick, width) for pair in swept(sweep) for pick in picks for width in CONFIG.models[pair.split("/")[1]].sae.widths]


def sweep_files(sweep, picks, end=".parquet"):
    side = CONFIG.sweeps.side
    return [at(f"{site_of(pair, side)}/sweeps/{sweep}/{pick}.width{width}{end}") for pair, pick, width in swept_places(sweep, picks)]


def sweep_params(sweep, picks):
    """What a table or figure of a sweep needs to know of its files."""
    return {"places": swept_places(sweep, picks), "pairs": swept(sweep), "side": CONFIG.sweeps.side}


def sweep_layers(sweep):
    return [at(f"{pair}/layers.json") for pair in swept(sweep)]
