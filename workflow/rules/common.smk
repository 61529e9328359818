# Names and paths shared by all rules files. A `site` is where a side of a pair keeps its artifacts:
# pairs/{model}/{reward}/run{run}/{side}, or bases/{model} for a base side that depends on no reward.

PAIRS = {(pair.model, pair.reward): pair for pair in CONFIG.pairs}
CORPUS_OF = {pair.model: pair.corpus for pair in CONFIG.pairs}
PICKS = CONFIG.pick_names()
CHOSEN = [pick for pick in PICKS if not pick.startswith("low")] or PICKS  # low picks beside others are for Table 7 alone
SEEDS = list(range(1, CONFIG.sae_seeds + 1))
RUNS = list(range(1, CONFIG.runs + 1))
CHAIN = 1  # priority of what most other jobs wait for; tables, nulls and checks fill the cores beside and after it
TARGETS = {}  # name under the config's `targets` -> files; every rules file adds its own
SHARED_BASE = bool(CONFIG.layers)  # pinned layers: the base side is the same for every reward


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


def at(path):
    """A path below the results folder."""
    return f"{CONFIG.results}/{path}"


def code(rule):
    """Digest of the package code that the rule's script runs."""
    return digest(f"{workflow.basedir}/workflow/scripts/{rule}.py")


def threads_of(stage):
    return getattr(CONFIG.threads, stage)


def parts(wildcards):
    """model, reward, side and corpus of a rule's pair or site."""
    path = (getattr(wildcards, "site", None) or wildcards.pair).split("/")
    if path[0] == "bases":
        return {"model": path[1], "reward": None, "side": "base", "corpus": CORPUS_OF[path[1]]}
    pair = PAIRS[path[1], path[2]]
    side = path[4] if len(path) > 4 else getattr(wildcards, "side", None)
    return {"model": path[1], "reward": path[2], "side": side, "corpus": pair.corpus}


def site_of(pair, side):
    """Where a side of a pair keeps its activations, SAEs and features."""
    return f"bases/{pair.split('/')[1]}" if SHARED_BASE and side == "base" else f"{pair}/{side}"


def pair_of(wildcards):
    return wildcards.site.rsplit("/", 1)[0]


def model_folder(wildcards):
    """The checkpoint that a site's activations come from."""
    here = parts(wildcards)
    return at(f"models/{here['model']}/model" if here["side"] == "base" else f"{pair_of(wildcards)}/rlhf/model")


def base_folder(wildcards):
    return at(f"models/{parts(wildcards)['model']}/model")


def corpus_file(part):
    return lambda wildcards: at(f"corpora/{parts(wildcards)['corpus']}/{part}.parquet")


def all_pairs():
    """One run per RLHF seed; a tuned checkpoint is one run, and copies of it would be no replicates."""
    return [f"pairs/{p.model}/{p.reward}/run{run}" for p in CONFIG.pairs for run in (RUNS[:1] if p.rlhf else RUNS)]


def checkpoint_files(path):
    """What is read of a local Hugging Face folder: files, as a changed one leaves the folder's own date alone."""
    kinds = (".json", ".safetensors", ".txt", ".model", ".jinja")
    files = sorted(os.listdir(path)) if os.path.isdir(path) else []
    return [os.path.normpath(os.path.join(path, file)) for file in files if file.endswith(kinds)]


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


def section(value):
    """A part of the config as a plain dict, for params."""
    return value.model_dump(mode="json")
