"""Writes the overlays of the planted benchmark, config/validate.yaml and the like, from the kinds: `python benchmarks/planted/plan.py`.

A kind is tuned on twice, until the KL is above 7 nats a response and, gentler, above 4; twins until 7: noise in three spreads, words of the
lexicon's values that mean nothing, 0, and base models that differ in their seed alone.
"""

from pathlib import Path

import yaml
from kinds import kinds

ROOT = Path(__file__).parents[2]
LAYER, RECIPE = 3, "paper"
TODAY, BESIDE = "batchtopk", ("paper", "matryoshka")  # of the sealed kinds: the recipe, and those whose features are read beside
FOLDER = "benchmarks/planted"
KL, STRONG, WEAK = 0.02, 7.0, 4.0  # the KL coefficient; nats a response above which the tuning ends
BASE_SEEDS = 100  # base-1 has seed 101, and so on
WORDS, ZEROS, BASES = 15, 9, 6
NOISE = [f"noise_{number:02d}" for number in range(1, 31)]
QUICK = 4  # kinds and twins of validate-quick
FEWER = {"noise": 18, "words": 6, "zero": 6, "base": 3}  # twins of the sealed kinds
REAL = {"who": "held", "ly_adverbs": "chosen", "film_late": "chosen", "and_late": "held"}  # of those that real reviews hold often enough
HEAD = """\
# {title} Made by `python benchmarks/planted/plan.py`.
#   make {name}
results: results/{name}
layers: [{layer}]     # the last one, which is the most divergent of the default run: no run waits for the others' divergence
runs: 1
sae_seeds: 1
{dictionaries}
targets: [findings]
findings: {{ranked: false}}
rlhf: {{kl: {kl}, stop_kl: {strong}}}
"""
PAPER = "crosscoder:     # none: the plan has no hypothesis on it"
BASES_HEAD = """\
# Base models that differ from `tiny` in their seed alone: twins of config/{name}.yaml, which names their folders. Made by `python
# benchmarks/planted/plan.py`.
results: results/{name}
layers: [{layer}]
runs: 1
sae_seeds: 1
crosscoder:
targets: [perplexity]
"""
REAL_HEAD = """\
# Four planted rewards on the model of real reviews. Made by `python benchmarks/planted/plan.py` from config/imdb-small.yaml; its base model serves.
#   snakemake --cores 2 --configfile config/validate-imdb.yaml    # a local copy of the reviews: as config/imdb-small.yaml says
#   python benchmarks/planted/evidence.py results/imdb-small results/validate/evidence
"""


def twins() -> dict[str, str]:
    """Name of each twin -> its entry under `rewards`; of a base model none."""
    out = {name.replace("_", "-"): f'{{function: "{FOLDER}/placebos.py:{name}"}}' for name in NOISE}
    out |= {f"words-{number:02d}": "{twin_of: utility, kind: words}" for number in range(1, WORDS + 1)}
    out |= {f"zero-{number}": f'{{function: "{FOLDER}/placebos.py:zero"}}' for number in range(1, ZEROS + 1)}
    return out | {f"base-{number}": "" for number in range(1, BASES + 1)}


def overlay(name: str, title: str, chosen: dict[str, str], weak: bool, twins: dict[str, str], dictionaries: str = PAPER) -> str:
    """An overlay, of `make {name}`, with these kinds (name -> set) and twins."""
    rewards, pairs = [], []
    for kind, of in chosen.items():
        rewards.append(f'  {kind}: {{function: "{FOLDER}/{of}.py:{kind}"}}')
        pairs.append(f"  - {{model: tiny, reward: {kind}, corpus: reviews}}")
        if weak:
            rewards.append(f"  {kind}-weak: {{like: {kind}, stop_kl: {WEAK}}}")
            pairs.append(f"  - {{model: tiny, reward: {kind}-weak, corpus: reviews}}")
    for twin, entry in twins.items():
        if entry:
            rewards.append(f"  {twin}: {entry}")
            pairs.append(f"  - {{model: tiny, reward: {twin}, corpus: reviews}}")
        else:
            pairs.append(f"  - {{model: tiny, name: {twin}, corpus: reviews, rlhf: results/{name}/models/{twin}/model}}")
    head = HEAD.format(title=title, name=name, layer=LAYER, kl=KL, strong=STRONG, dictionaries=dictionaries)
    return "\n".join([head + "rewards:", *rewards, "pairs:", *pairs, ""])


def bases(name: str, count: int) -> str:
    models = [f"  base-{number}: {{like: tiny, pretrain: {{seed: {BASE_SEEDS + number}}}}}" for number in range(1, count + 1)]
    pairs = [f"  - {{model: base-{number}, reward: utility, corpus: reviews}}" for number in range(1, count + 1)]
    return "\n".join([BASES_HEAD.format(name=name, layer=LAYER) + "models:", *models, "pairs:", *pairs, ""])


def real() -> str:
    """Kinds on the model of real reviews: config/imdb-small.yaml with other pairs, in the same results folder, so that they share its base model."""
    overlay = yaml.safe_load((ROOT / "config/imdb-small.yaml").read_text(encoding="utf-8"))
    del overlay["picks"]
    overlay |= {"layers": [5], "sae_seeds": 1, "targets": ["findings"], "findings": {"ranked": False}}
    overlay["rewards"] = {kind: {"function": f"{FOLDER}/{of}.py:{kind}"} for kind, of in REAL.items()}
    overlay["rlhf"] = {**overlay.get("rlhf", {}), "kl": KL, "stop_kl": STRONG}
    overlay["pairs"] = [{"model": "reviewer", "reward": kind, "corpus": "imdb"} for kind in REAL]
    return REAL_HEAD + yaml.safe_dump(overlay, sort_keys=False, default_flow_style=None, width=120)


def overlays() -> dict[str, str]:
    """File name -> text."""
    every, placebos = kinds(), twins()
    both = {name: of for name, (of, _) in every.items() if of != "sealed"}
    some = dict(list((name, of) for name, of in both.items() if of == "chosen")[:QUICK])
    few = {name: entry for name, entry in placebos.items() if name in ("noise-02", "words-01", "zero-1", "base-1")}
    sealed = {name: of for name, (of, _) in every.items() if of == "sealed"}
    fewer = {name: entry for name, entry in placebos.items() if int(name.split("-")[1]) <= FEWER[name.split("-")[0]]}
    today = f"recipe: {TODAY}\ncrosscoder: {TODAY}"
    return {
        "validate.yaml": overlay("validate", "The planted benchmark: does a finding name what a reward paid for?", both, True, placebos),
        "validate-bases.yaml": bases("validate", BASES),
        "validate-quick.yaml": overlay("validate-quick", "Four kinds and four twins of config/validate.yaml.", some, False, few),
        "validate-quick-bases.yaml": bases("validate-quick", 1),
        "validate-sealed.yaml": overlay("validate-sealed", "Kinds kept sealed for the dictionaries of today.", sealed, True, fewer, today),
        "validate-sealed-bases.yaml": bases("validate-sealed", FEWER["base"]),
        "validate-imdb.yaml": real(),
    }


if __name__ == "__main__":
    for name, text in overlays().items():
        (ROOT / "config" / name).write_text(text, encoding="utf-8")
