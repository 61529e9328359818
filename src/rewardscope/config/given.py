"""Dictionaries that were trained elsewhere, as a recipe of folders in SAELens' form: its keys, and what must hold before anything runs.

Of the folders their `cfg.json` alone is read here; whether the weights can be read is seen by the rule `given_saes`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from rewardscope.config.types import Plain, Section
from rewardscope.config.wording import show
from rewardscope.errors import brief
from rewardscope.files import once

if TYPE_CHECKING:
    from rewardscope.config.config import Config
    from rewardscope.config.entries import Recipe

FILES = ("cfg.json", "sae_weights.safetensors")
TRAINING = ("tied", "l1_on", "epochs", "batch_documents", "learning_rate", "frozen_decoder", "precision")  # what a recipe of training must have
HOOKS = {"mlp": ("blocks.{}.hook_mlp_out",), "residual": ("blocks.{}.hook_resid_post", "blocks.{next}.hook_resid_pre")}  # by `activations.at`


class Given(Section):
    base: tuple[Plain, Plain] = Field(strict=False, description="folders of the base side's small and large dictionary, in SAELens' form")
    rlhf: tuple[Plain, Plain] = Field(strict=False, description="of the tuned side's")


def alone(recipe: "Recipe") -> Iterator[str]:
    """What is wrong with a recipe that has dictionaries and says how to train some, or neither."""
    values = {key: value for key, value in dict(recipe).items() if key in recipe.model_fields_set and value is not None}
    if recipe.given is None:
        yield from (f".{key} is missing; config.yaml says what it is" for key in TRAINING if key not in values)
        return
    if others := sorted(values.keys() - {"like", "given"}):
        yield f" has given and {others[0]}; what is given is not trained: write given alone, under a name of its own and without like"
    if not recipe.given:
        yield ".given is empty; it must hold layers, such as layer3"
    for name in recipe.given:
        if not re.fullmatch(r"layer(0|[1-9]\d*)", name):
            yield f".given.{show(name)} is no layer; its names must be layer0, layer1, ..."


def misfits(config: "Config") -> Iterator[str]:
    """What is wrong between recipes in use whose dictionaries are given and the rest of the config."""
    for name in _used(config):
        why = f"but the dictionaries of recipe {name} are given"
        if not config.layers:
            yield f"layers is empty, {why}, each for one layer; it must name these, such as [3]"
        for layer in config.layers:
            if f"layer{layer}" not in config.sae_recipes[name].given:
                yield f"layers names {layer}, but sae_recipes.{name}.given has no layer{layer}; it must have it"
        if config.sae_seeds > 1:
            yield f"sae_seeds is {config.sae_seeds}, {why}, one of each size; it must be 1"
        if len(config.pairs) > 1:
            yield f"pairs has {len(config.pairs)} entries, {why} for one base and one tuned model; it must have one"
        elif config.runs > 1 and config.pairs and not config.pairs[0].rlhf:
            yield f"runs is {config.runs}, {why} for one tuned model; it must be 1"
    if config.sae_recipes[config.recipe].given:
        for target in sorted({"figure4", "table6", "table7"} & set(config.targets)):
            what = f"trains with changes of recipe {config.recipe}, whose dictionaries are given"
            yield f"targets has {target}, which {what}; targets must be without it"


def files(config: "Config") -> Iterator[tuple[str, str]]:
    """The keys that name dictionaries in use, and the files that must be there."""
    for key, folder, *_ in _places(config):
        yield from ((key, str(Path(folder) / file)) for file in FILES)


def problems(config: "Config") -> Iterator[str]:
    """What the `cfg.json` of a dictionary in use says that does not fit: its width, its activations' width, where it reads."""
    wanted, by = None, ""  # width of the activations, and what says it
    for key, folder, layer, i in _places(config):
        model, at = config.pairs[0].model, config.activations.at
        if pretrain := config.models[model].pretrain:
            wanted, by = pretrain.d_model, f"models.{model}.pretrain.d_model is"
        cfg = _cfg(Path(folder) / FILES[0])
        if isinstance(cfg, str):
            yield f"{key} is {show(folder)}, whose cfg.json cannot be read ({cfg}); copy the folder again"
            continue
        width, d_in, hook = cfg.get("d_sae"), cfg.get("d_in"), _hook(cfg)
        if width not in (None, right := config.models[model].sae.widths[i]):
            yield f"{key} is {show(folder)}, of {show(width)} features, and models.{model}.sae.widths[{i}] is {right}; they must be equal"
        if None not in (wanted, d_in) and d_in != wanted:
            yield f"{key} is {show(folder)}, of activations of width {show(d_in)}, but {by} {wanted}; they must be equal"
        if wanted is None:
            wanted, by = d_in, f"{key} is of"
        hooks = [form.format(layer, next=layer + 1) for form in HOOKS[at]]
        if hook.startswith("blocks.") and hook not in hooks:
            yield f"{key} is {show(folder)}, which reads {show(hook)}; layer {layer} with activations.at {at} is {hooks[0]}"


def d_model(config: "Config") -> int | None:
    """The width of the activations that a dictionary in use says; None without one, or where it does not say."""
    cfgs = (_cfg(Path(folder) / FILES[0]) for _, folder, *_ in _places(config))
    return next((cfg["d_in"] for cfg in cfgs if isinstance(cfg, dict) and isinstance(cfg.get("d_in"), int)), None)


def _used(config: "Config") -> list[str]:
    return [name for name in dict.fromkeys([config.recipe, *config.controls]) if config.sae_recipes[name].given]


def _places(config: "Config") -> Iterator[tuple[str, str, int, int]]:
    """key, folder, layer, and 0 of the small, 1 of the large one."""
    for name in _used(config):
        for layer in config.layers:
            for side, folders in config.sae_recipes[name].given[f"layer{layer}"]:
                yield from ((f"sae_recipes.{name}.given.layer{layer}.{side}[{i}]", folder, layer, i) for i, folder in enumerate(folders))


def _cfg(file: Path) -> dict | str:
    """What the file holds, or why it cannot be read."""
    try:
        cfg = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=once)
    except (OSError, ValueError, RecursionError) as error:
        return brief(error)
    return cfg if isinstance(cfg, dict) else "no map of settings"


def _hook(cfg: dict) -> str:
    """TransformerLens' name of what it reads: in `metadata` since SAELens 6; empty where there is none."""
    metadata = cfg.get("metadata") if isinstance(cfg.get("metadata"), dict) else {}
    hook = cfg.get("hook_name", metadata.get("hook_name"))
    return hook if isinstance(hook, str) else ""
