"""What a config asks of a job beyond its params: tried or told, in nothing that the job writes, and so no reason to run it again.

Read from Snakemake's config as it is written, `like` and all: `rewardscope.config` is no part of what scripts import. It has said of a model
that is trained here what `of_model` asks of one whose size is known only once it is here.
"""

from collections.abc import Mapping
from typing import Any

NOWHERE: Any = object()


def held(library: Mapping, name: str, *keys: str) -> Any:
    """The value at `keys` of an entry or of those that it builds on (`like`, then `twin_of`); NOWHERE where none has it."""
    value: Any = library[name]
    for key in keys:
        if not isinstance(value, Mapping):
            return value  # empty, in place of a map
        if key not in value:
            bases = [library[name][link] for link in ("like", "twin_of") if library[name].get(link)]
            return next((found for base in bases if (found := held(library, base, *keys)) is not NOWHERE), NOWHERE)
        value = value[key]
    return value


def of_model(config: Mapping, model: str) -> tuple[str, dict[str, int], dict[str, int], int]:
    """Where activations are read (`at`), tokens of a text by config key, layers by what the config says, and the larger dictionary's width."""
    both = {key: config[key]["prefix"] + config[key]["new"] for key in ("completions", "findings", "causes")}
    lengths = {"activations.tokens": config["activations"]["tokens"], **{f"{key}.prefix + {key}.new": tokens for key, tokens in both.items()}}
    for pair in config["pairs"]:
        if pair["model"] == model and not pair.get("rlhf"):
            own, true = _episode(config, pair["reward"]), held(config["rewards"], pair["reward"], "twin_of")
            inherited = {"rlhf": _episode(config)} | ({f"rewards.{true}": _episode(config, true)} if isinstance(true, str) else {})
            place = next((place for place, tokens in inherited.items() if tokens == own), f"rewards.{pair['reward']}")
            lengths[f"{place}.prompt_tokens[1] + {place}.response_tokens"] = own
    pinned, picks = config["layers"], config["picks"]
    layers = {f"layers[{i}] is {layer}": layer + 1 for i, layer in enumerate(pinned)}
    layers = layers or {f"picks.top + picks.low is {picks['top'] + picks['low']}": picks["top"] + picks["low"]}
    return config["activations"]["at"], lengths, layers, held(config["models"], model, "sae", "widths")[1]


def _episode(config: Mapping, reward: str | None = None) -> int:
    """Tokens of the longest prompt and response, of a reward or of `rlhf:`."""
    own = lambda key: held(config["rewards"], reward, key) if reward else NOWHERE
    prompt, response = (config["rlhf"][key] if (value := own(key)) is NOWHERE else value for key in ("prompt_tokens", "response_tokens"))
    return prompt[1] + response


def lexica(config: Mapping, corpus: str) -> dict[str, str]:
    """Rewards by which the pairs that read a corpus are measured (of a twin the true one), and the word table of each that has one."""
    given = dict.fromkeys(pair["reward"] for pair in config["pairs"] if pair["corpus"] == corpus and pair.get("reward"))
    true = {reward: held(config["rewards"], reward, "twin_of") for reward in given}
    found = {name: held(config["rewards"], name, "words") for name in (true[reward] if isinstance(true[reward], str) else reward for reward in given)}
    return {reward: words for reward, words in found.items() if isinstance(words, str)}
