def reward_of(wildcards):
    """Where the reward comes from, as `rewards.load` takes it."""
    return CONFIG.rewards[parts(wildcards)["reward"]].model_dump(include={"words", "function", "classifier"})


def reward_file(wildcards):
    """A CSV of words, a Python file or a classifier is an input; the VADER lexicon comes with its pinned package."""
    reward = reward_of(wildcards)
    if reward["classifier"]:
        return at(f"rewards/{parts(wildcards)['reward']}/model")
    if reward["function"]:
        return os.path.normpath(reward["function"].rsplit(":", 1)[0])
    return reward["words"] if reward["words"] not in (None, "vader") else []


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
    are there: else a pair that is given a checkpoint after PPO would go on with PPO's model.
    """
    here = parts(wildcards)
    if here["side"] == "base":
        return []
    pair = getattr(wildcards, "pair", None) or pair_of(wildcards)
    return at(f"{pair}/rlhf/" + ("source.json" if PAIRS[here["model"], here["reward"]].rlhf else "training.parquet"))


rule rlhf:
    input:
        model=base_folder,
        train=corpus_file("train"),
        reward=reward_file,
    output:
        model=directory(at("{pair}/rlhf/model")),
        training=at("{pair}/rlhf/training.parquet"),
        settings=at("{pair}/rlhf/settings.json"),
    wildcard_constraints:
        pair=pairs_that(tuned=False),
    log:
        at("logs/rlhf/{pair}.log"),
    params:
        code=code("rlhf"),
        torch_threads=threads_of("rlhf"),
        seed=CONFIG.seed,
        device=CONFIG.device,
        run=lambda w: int(w.pair.rsplit("run", 1)[1]),
        reward=reward_of,
        settings=lambda w: section(CONFIG.rlhf_of(parts(w)["reward"])),
        work=at(".work/rlhf/{pair}"),
    threads: threads_of("rlhf")
    priority: CHAIN
    conda:
        "../../envs/rlhf.yaml"
    script:
        "../scripts/rlhf.py"


# A pair with `rlhf:` has its tuned checkpoint already; nothing after this rule knows the difference.
rule tuned:
    input:
        base=base_folder,
        files=lambda w: checkpoint_files(tuned_of(w).get("path", "")),
    output:
        model=directory(at("{pair}/rlhf/model")),
        source=update(at("{pair}/rlhf/source.json")),
    wildcard_constraints:
        pair=pairs_that(tuned=True),
    log:
        at("logs/tuned/{pair}.log"),
    params:
        code=code("tuned"),
        torch_threads=threads_of("other"),
        entry=tuned_of,
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/tuned.py"
