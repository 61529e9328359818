"""How long an experiment takes on 1, 8 and 64 GPUs, to the explanations, from its config and the rates in estimate.yaml.

Counted are the arithmetic of PPO, extraction and SAE training, and a fixed time for each job. The stages on the CPU have
not been measured at this size and count as that fixed time alone, so what is said is a lower bound. Left out are the jobs
that a grid has once or that run on the login node: corpus, layers, the table.
"""
from pathlib import Path
from typing import NamedTuple

import yaml

from rewardscope.config import Config
from rewardscope.plan import documents_of, width

RATES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
GPUS = (1, 8, 64)
PASSES = 2  # floating point operations a parameter and token in a forward pass; a backward pass takes twice as many


class Stage(NamedTuple):
    """The jobs of one rule."""

    rule: str
    jobs: int
    longest: dict[str, float]
    """Model -> seconds of its longest job."""
    total: float
    """Seconds of all jobs, one after the other."""


def ppo(config: Config, model: str, reward: str) -> float:
    """Seconds of one RLHF run: rollout, reference and value once, then policy and value forward and backward in each PPO epoch."""
    settings = config.rlhf_of(reward)
    tokens = settings.updates * settings.batch * (sum(settings.prompt_tokens) / 2 + settings.response_tokens)
    passes = 3 + settings.ppo_epochs * 2 * 3
    return settings.updates * _rate("seconds_an_update") + _arithmetic(passes * PASSES * RATES["parameters"][model]["all"] * tokens)


def extraction(config: Config, model: str, tokens: int) -> float:
    """Seconds of one side's extraction: a forward pass through every block."""
    return _arithmetic(PASSES * RATES["parameters"][model]["blocks"] * tokens)


def training(config: Config, model: str, tokens: int, size: int) -> float:
    """Seconds of one place's SAEs of width `size`, all seeds: encoder and decoder, forward and backward."""
    epochs = config.sae_recipes[config.recipe].epochs
    return _arithmetic(2 * 3 * PASSES * size * width(config, model) * tokens * epochs * config.sae_seeds)


def stages(config: Config) -> list[Stage]:
    """What stands between the models and the explanations that Table 3 is made of, in the order of the DAG."""
    pairs = [(pair, run) for pair in config.pairs for run in range(1 if pair.rlhf else config.runs)]
    sites = [pair for pair, _ in pairs]  # the tuned sides
    if config.layers:  # the base side depends on no reward and is shared
        sites += list({pair.model: pair for pair in config.pairs}.values())
    else:
        sites += sites
    picks = len([pick for pick in config.pick_names() if not pick.startswith("low")]) or len(config.pick_names())
    tokens = {pair.corpus: documents_of(config, pair.corpus) * config.activations.tokens for pair in config.pairs}
    split = config.activations.shards
    seconds = {  # rule -> (model, seconds) of each of its jobs
        "base_model": [(model, 0.0) for model in {pair.model for pair in config.pairs}],
        "rlhf": [(pair.model, ppo(config, pair.model, pair.reward)) for pair, _ in pairs if not pair.rlhf],
        "divergence": [(pair.model, 0.0) for pair, _ in pairs],
        "activations": [(pair.model, extraction(config, pair.model, tokens[pair.corpus]) / split) for pair in sites for _ in range(split)],
        "moments": [(pair.model, 0.0) for pair in sites if split > 1],
        "saes": [
            (pair.model, training(config, pair.model, tokens[pair.corpus], size))
            for pair in sites
            for size in config.models[pair.model].sae.widths
            for _ in range(picks)
        ],
        "features": [(pair.model, 0.0) for pair in sites for _ in range(picks)],
        "feature_activations": [(pair.model, 0.0) for pair in sites for _ in range(picks)],
        "explanations" if config.explainer == "tokens" else "llm_explanations": [(pair.model, 0.0) for pair, _ in pairs for _ in range(picks)],
    }
    out = []
    for rule, jobs in ((rule, jobs) for rule, jobs in seconds.items() if jobs):
        took = [(model, each + _rate("seconds_a_job")) for model, each in jobs]
        longest: dict[str, float] = {}
        for model, each in took:
            longest[model] = max(longest.get(model, 0.0), each)
        out.append(Stage(rule, len(took), longest, sum(each for _, each in took)))
    return out


def lines(config: Config) -> list[str]:
    """What a dry run says of time; nothing for models of unknown size, or a corpus of unknown length."""
    if any(pair.model not in RATES["parameters"] or documents_of(config, pair.corpus) is None for pair in config.pairs):
        return []
    planned = stages(config)
    out = ["from the models to every explanation, jobs that may run side by side, the longest of them, all of them in a row:"]
    out += [f"  {s.rule:<20}{s.jobs:>4}{_said(max(s.longest.values())):>12}{_said(s.total):>12}" for s in planned]
    chains = {model: sum(stage.longest.get(model, 0.0) for stage in planned) for model in {pair.model for pair in config.pairs}}
    model, chain = max(chains.items(), key=lambda item: item[1])
    total = sum(stage.total for stage in planned)
    times = ", ".join(f"{n} GPU{'s' * (n > 1)} {_said(max(chain, total / n))}" for n in GPUS)
    out.append(f"longest chain: {len(planned)} jobs of {model}, {_said(chain)}; at least, with {times}")
    return out + [f"  {name}: {rate['value']:g} ({rate['source']})" for name, rate in RATES.items() if name != "parameters"]


def _rate(name: str) -> float:
    return RATES[name]["value"]


def _arithmetic(operations: float) -> float:
    return operations / _rate("flops")


def _said(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h" if seconds >= 6000 else f"{seconds / 60:.0f} min"
