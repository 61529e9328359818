# Names and paths shared by all rules files, and what a job reads by its wildcards; lists over all pairs are in places.smk,
# what is done before and after all jobs in run.smk.
# A `site` is where a side of a pair keeps its artifacts:
# pairs/{model}/{reward}/run{run}/{side}, or bases/{model} for a base side that depends on no reward.
import re

from rewardscope.run.code import digest, local_imports
from rewardscope.config.config import tuned_checkpoint
from rewardscope.config.entries import METHODS
from rewardscope.config.given import FILES as GIVEN_FILES

PAIRS = {(pair.model, pair.reward): pair for pair in CONFIG.pairs}
CORPUS_OF = {pair.model: pair.corpus for pair in CONFIG.pairs}
PICKS = CONFIG.pick_names()
CHOSEN = [pick for pick in PICKS if not pick.startswith("low")] or PICKS  # low picks beside others are for Table 7 alone
SEEDS = list(range(1, CONFIG.sae_seeds + 1))
SAMPLES = list(range(1, CONFIG.samples + 1))
RUNS = list(range(1, CONFIG.runs + 1))
JOBS = CONFIG.activations.shards  # of an extraction
CHAIN = 1  # priority of what most other jobs wait for; tables, nulls and checks fill the cores beside and after it
TARGETS = {}  # name under the config's `targets` -> files; every rules file adds its own
SHARED_BASE = CONFIG.shares_base()  # the base side is the same for every reward and run of a model


wildcard_constraints:
    corpus=r"[\w.-]+",
    model=r"[\w.-]+",
    reward=r"[\w.-]+",
    recipe=r"[\w.-]+",
    explainer=r"[\w.-]+",
    pair=r"pairs/[\w.-]+/[\w.-]+/run\d+",
    site=r"pairs/[\w.-]+/[\w.-]+/run\d+/(base|rlhf)|bases/[\w.-]+",
    side="base|rlhf",
    pick=r"(top|low|layer)\d+",
    part=r"\d+",
    run=r"\d+",
    width=r"\d+",
    seed=r"\d+",
    sweep="l1|tied",
    sample=r"\d+",


# ---- of every rule ---------------------------------------------------------------------------
def at(path):
    """A path below the results folder."""
    return f"{CONFIG.results}/{path}"


def given(files):
    """Files that the config names, as inputs: they lie where it says, also where the workflow is a module with a prefix."""
    return local(files)


def code(script, *functions):
    """Digest of a script, of what it imports of the package, and of what the user's `functions` files import of it."""
    return digest(f"{ROOT}/workflow/scripts/{script}.py", *functions)


def threads_of(stage):
    return getattr(CONFIG.threads, stage)


def section(value):
    """A part of the config as a plain dict, for params."""
    return value.model_dump(mode="json")


def labels(**fixed):
    """How `snakemake --report` lists an output: its wildcards, a pair or site taken apart."""

    def of(wildcards):
        out = {}
        for name, value in wildcards.items():
            path = value.split("/")
            if name not in ("pair", "site"):
                out[name] = value
            elif path[0] == "bases":
                out |= {"model": path[1], "side": "base"}
            else:
                out |= dict(zip(("model", "reward", "run", "side"), [*path[1:3], path[3].removeprefix("run"), *path[4:]]))
        return out | fixed

    return of


def all_pairs():
    """One run per RLHF seed; a tuned checkpoint is one run, and copies of it would be no replicates."""
    return [f"pairs/{p.model}/{p.reward}/run{run}" for p in CONFIG.pairs for run in (RUNS[:1] if p.rlhf else RUNS)]


def parts(wildcards):
    """model, reward, side and corpus of a job's pair or site."""
    path = (getattr(wildcards, "site", None) or wildcards.pair).split("/")
    if path[0] == "bases":
        return {"model": path[1], "reward": None, "side": "base", "corpus": CORPUS_OF[path[1]]}
    pair = PAIRS[path[1], path[2]]
    side = path[4] if len(path) > 4 else getattr(wildcards, "side", None)
    return {"model": path[1], "reward": path[2], "side": side, "corpus": pair.corpus}


def pairs_of(model):
    """Every run of a model's pairs."""
    return [pair for pair in all_pairs() if pair.split("/")[1] == model]


def site_of(pair, side):
    """Where a side of a pair keeps its activations, SAEs and features."""
    return f"bases/{pair.split('/')[1]}" if SHARED_BASE and side == "base" else f"{pair}/{side}"


def divergence_files(wildcards):
    """Of the runs whose divergence chooses a pair's layers; none where the layers are pinned."""
    if CONFIG.layers:
        return []
    return [at(f"{pair}/divergence.csv") for pair in (pairs_of(parts(wildcards)["model"]) if SHARED_BASE else [wildcards.pair])]


def pair_of(wildcards):
    return wildcards.site.rsplit("/", 1)[0]


# ---- corpora and models ----------------------------------------------------------------------
def corpus_sources(wildcards):
    files = CONFIG.corpora[wildcards.corpus].path
    return given([os.path.normpath(file) for file in (files.train, files.test)]) if files else []


def corpus_file(part):
    return lambda wildcards: at(f"corpora/{parts(wildcards)['corpus']}/{part}.parquet")


def training_corpus(wildcards):
    entry = CONFIG.models[wildcards.model].pretrain
    return at(f"corpora/{entry.corpus}/train.parquet") if entry else []


def checkpoint_files(path):
    """What is read of a local Hugging Face folder: files, as a changed one leaves the folder's own date alone."""
    kinds = (".json", ".safetensors", ".txt", ".model", ".jinja")
    files = sorted(os.listdir(path)) if path and os.path.isdir(path) else []
    return given([os.path.normpath(os.path.join(path, file)) for file in files if file.endswith(kinds)])


def base_folder(wildcards):
    return at(f"models/{parts(wildcards)['model']}/model")


def model_folder(wildcards):
    """The checkpoint that a site's activations come from."""
    return base_folder(wildcards) if parts(wildcards)["side"] == "base" else at(f"{pair_of(wildcards)}/rlhf/model")


# ---- rewards and RLHF ------------------------------------------------------------------------
def yardstick(reward):
    """The true reward of a twin, by which every table measures it; of any other reward itself."""
    return CONFIG.rewards[reward].twin_of or reward


def tuned_on(wildcards):
    """The reward that a pair is tuned on."""
    return parts(wildcards)["reward"]


def true(wildcards):
    """The reward that a pair is measured by: of a twin, its true one."""
    return yardstick(tuned_on(wildcards))


def classifier_of(wildcards):
    return CONFIG.rewards[wildcards.reward].classifier


def labelled_corpus(wildcards):
    entry = classifier_of(wildcards).train
    return at(f"corpora/{entry.corpus}/train.parquet") if entry else []


def used_with(reward):
    """The corpus of the first pair that is tuned on a reward or on a twin of it."""
    return next(pair.corpus for pair in CONFIG.pairs if reward in (pair.reward, yardstick(pair.reward)))


def measured_on(wildcards):
    """The corpus that a classifier was trained on, or that it is used with."""
    entry = classifier_of(wildcards).train
    return entry.corpus if entry else used_with(wildcards.reward)


def source_of(reward):
    """Where a reward comes from, as `rewards.load` takes it."""
    return CONFIG.rewards[reward].model_dump(include={"words", "function", "classifier", "twin_of", "kind"})


def stored(reward):
    """What `rewards.load` reads of a reward that is made here: the folder of a classifier, the file of a twin."""
    entry = CONFIG.rewards[reward]
    return at(f"rewards/{reward}/twin.json") if entry.twin_of else at(f"rewards/{reward}/model") if entry.classifier else []


def function_files(reward):
    """The Python file of a reward function, and the user's own ones that it imports."""
    function = CONFIG.rewards[reward].function
    return local_imports(function.rsplit(":", 1)[0]) if function else []


def reward_files(reward):
    """A CSV of words, or the files of a function; the VADER lexicon comes with its pinned package."""
    words = CONFIG.rewards[reward].words
    return given(function_files(reward) + [words] * (words not in (None, "vader")))


def preference_files(reward):
    """The file of preferences that a reward's method learns from: the user's, or what is read of the hub."""
    settings = CONFIG.rlhf_of(reward)
    if not settings.preferred:
        return []
    return at(f"rewards/{reward}/preferences.parquet") if settings.dpo.preferences.hub else given([settings.dpo.preferences.path])


def method_of(pair):
    """How a pair was tuned here, in its name: PPO, DPO, ...; empty of a checkpoint that was given."""
    here = PAIRS[tuple(pair.split("/")[1:3])]
    return "" if here.rlhf else METHODS[CONFIG.rlhf_of(here.reward).method]


def kl_of(pair):
    """The KL coefficient that a pair's PPO begins with; None of another method."""
    settings = CONFIG.rlhf_of(pair.split("/")[2])
    return settings.kl if method_of(pair) and settings.method == "ppo" else None


def preferred(pair):
    """The preferences that a pair was tuned on here in place of its reward, in words."""
    _, model, reward, _ = pair.split("/")
    settings = CONFIG.rlhf_of(reward)
    return {"preferences": settings.dpo.preferences.source} if settings.preferred and not PAIRS[model, reward].rlhf else {}


def pairs_that(tuned):
    """A pattern of the pairs that name a tuned checkpoint, or of those that do not."""
    names = [re.escape(f"{pair.model}/{pair.reward}") for pair in CONFIG.pairs if bool(pair.rlhf) == tuned]
    return rf"pairs/({'|'.join(names)})/run\d+" if names else "(?!)"  # matches nothing


def tuned_of(wildcards):
    here = parts(wildcards)
    return tuned_checkpoint(PAIRS[here["model"], here["reward"]].rlhf)


def beside_tuned(wildcards):
    """What is written beside a tuned model: who reads the model asks for both.

    `rlhf` and `tuned` write different files there, and Snakemake compares a job's params only where all its outputs
    are there: else a pair that is given a checkpoint after it was tuned here would go on with the old model.
    """
    here = parts(wildcards)
    if here["side"] == "base":
        return []
    pair = getattr(wildcards, "pair", None) or pair_of(wildcards)
    return at(f"{pair}/rlhf/" + ("source.json" if PAIRS[here["model"], here["reward"]].rlhf else "training.parquet"))
