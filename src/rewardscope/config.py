"""The configuration as a whole, and one clear line for a mistake.

`load` turns Snakemake's merged config into an immutable `Config`; nothing heavy is imported, as the Snakefile runs it.
"""
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from rewardscope.config_checks import misfits, pair_misfits, unknown_names
from rewardscope.config_sections import (
    Activations, Completions, Corpus, Count, Explain, Features, HUB, Library, Llm, Model, NotNegative, Pair, Picks, Plain, Recipe,
    Report, Results, Reward, Rlhf, Scores, Section, Sweeps, Target, Threads, Whole,
)  # fmt: skip
from rewardscope.config_wording import LIBRARIES, show, type_errors, unknown, where
from rewardscope.errors import UserError

NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a folder and a Snakemake wildcard


class ConfigError(UserError, ValueError):
    """A mistake in the configuration; its message is one line: `config: `, the dotted key, what is wrong and right."""


class Config(Section):
    """A valid configuration, in the order of config.yaml."""

    results: Results = Field(description="folder of everything the workflow makes; each overlay sets its own")
    cache: Plain = Field(description="paid LLM responses, outside every results folder")
    seed: NotNegative = Field(description="the one number from which every random state is derived")
    device: Literal["auto", "cpu", "cuda"] = Field(description="auto (CUDA when there is one), cpu or cuda")
    threads: Threads = Field(description="torch threads of a job; part of its params, as they change float sums")
    pairs: tuple[Pair, ...] = Field(strict=False, description="base model x reward x corpus")
    runs: Count = Field(description="RLHF seeds per pair; with one, tables speak of that run only")
    picks: Picks = Field(description="layers: the n most divergent, and the n nearest the input")
    layers: tuple[NotNegative, ...] = Field(strict=False, description="or pin layer numbers (from 0); replaces `picks`, shares the base")
    recipe: str = Field(description="the SAE recipe that features, explanations and tables are made from")
    sae_seeds: Count = Field(description="SAE replicates per place; below 6 a sign-flip test cannot reach p < 0.05")
    targets: tuple[Target, ...] = Field(strict=False, description="what `snakemake` without a target makes")
    explainer: Literal["tokens", "openai"] = Field(description="tokens: the deterministic, server-less baseline; openai: a chat server")
    samples: Count = Field(description="repeated explanations per feature (the paper: 3); tokens is deterministic")
    corpora: Library[Corpus] = Field(description="library of corpora")
    models: Library[Model] = Field(description="library of base models")
    rewards: Library[Reward] = Field(description="library of rewards")
    sae_recipes: Library[Recipe] = Field(description="section 5.2 and Appendix H")
    rlhf: Rlhf = Field(description="PPO (TRL); any key may be set for one reward under `rewards`")
    activations: Activations = Field(description="what is read from the models")
    features: Features = Field(description="which features are kept")
    explain: Explain = Field(description="how features are put into words")
    llm: Llm = Field(description="the chat server that the explainer openai asks")
    scores: Scores = Field(description="scores of explanations on held documents")
    completions: Completions = Field(description="Table 4")
    sweeps: Sweeps = Field(description="Appendix H: short trainings with some of the recipe's keys changed")
    bootstrap: Whole = Field(description="resamples behind an interval over prompts")
    report: Report = Field(description="report.html")

    def rlhf_of(self, reward: str) -> Rlhf:
        """The RLHF settings of a reward: `rlhf:` with the keys that the reward overrides."""
        return Rlhf(**self.rewards[reward].model_dump(include=set(Rlhf.model_fields)))

    def l1(self, model: str, recipe: str) -> float:
        """The L1 coefficient: the recipe's where it has one, else the model's."""
        own = self.sae_recipes[recipe].l1
        return self.models[model].sae.l1 if own is None else own

    def pick_names(self) -> list[str]:
        """The values of the wildcard `{pick}`: layer1, ... where layers are pinned, else top1, ..., low1, ..."""
        if self.layers:
            return [f"layer{i}" for i in self.layers]
        return [f"{kind}{i}" for kind, n in self.picks for i in range(1, n + 1)]


def load(raw: Mapping) -> Config:
    """Check Snakemake's merged config and type it; raises ConfigError, one line, where something is wrong."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"config: the configuration is {show(raw)}; it must be a map")
    try:
        config = Config.model_validate(_resolve(raw))
    except ValidationError as error:
        problems = type_errors(error)
    else:
        problems = list(unknown_names(config)) or list(dict.fromkeys([*misfits(config), *pair_misfits(config)]))
    if problems:
        raise ConfigError(f"config: {problems[0]}" + (f" (and {len(problems) - 1} more)" if problems[1:] else ""))
    return config


def tuned_checkpoint(rlhf: str) -> dict[str, str | None]:
    """A pair's `rlhf:` as the keys of a model: `path`, or `hub` and `revision` where no folder has that name."""
    name, _, revision = rlhf.partition("@")
    if Path(rlhf).is_dir() or not re.fullmatch(HUB, name):
        return {"path": rlhf}
    return {"hub": name, "revision": revision or None}


def check_files(config: Config) -> None:
    """Raise ConfigError where a corpus or checkpoint that a pair needs is not there: now, not after hours of work."""
    for key, path in _files(config):
        if not Path(path).exists():
            raise ConfigError(f"config: {key} is {show(path)}, which is not there; paths are relative to {Path.cwd()}")


def _files(config: Config) -> Iterator[tuple[str, str]]:
    """The keys that name a local corpus or checkpoint, and what they name."""
    for i, pair in enumerate(config.pairs):
        model = config.models[pair.model]
        if model.path:
            yield f"models.{pair.model}.path", model.path
        if pair.rlhf and (path := tuned_checkpoint(pair.rlhf).get("path")):
            yield f"pairs[{i}].rlhf", path
        judge = config.rewards[pair.reward].classifier
        if judge and judge.path:
            yield f"rewards.{pair.reward}.classifier.path", judge.path
        learnt = [entry.corpus for entry in (model.pretrain, judge and judge.train) if entry]
        for name in dict.fromkeys([*learnt, pair.corpus]):
            if own := config.corpora[name].path:
                yield from ((f"corpora.{name}.path.{part}", path) for part, path in own)


def _resolve(raw: Mapping) -> dict:
    """The config with each entry merged over what it is `like`, and each reward over `rlhf:`."""
    full = dict(raw)
    for section in LIBRARIES:
        if isinstance(raw.get(section), Mapping):
            for name in raw[section]:
                if not isinstance(name, str) or not NAME.fullmatch(name):
                    allowed = "up to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, no two dots in a row"
                    raise ConfigError(f"config: {where((section, name))} is not a usable name; a name is {allowed}")
            full[section] = {name: _entry(section, raw[section], name) for name in raw[section]}
    if isinstance(rewards := full.get("rewards"), Mapping):  # a wrong `rlhf:` would be told again for each of them
        known = isinstance(raw.get("rlhf"), Mapping)
        full["rewards"] = {name: _merge(raw["rlhf"], entry) for name, entry in rewards.items()} if known else {}
    return full


def _entry(section: str, library: Mapping, name: str) -> object:
    """An entry of a library, merged over the entries that it is `like`."""
    chain = [name]
    while isinstance(entry := library[chain[-1]], Mapping) and "like" in entry:
        base, key = entry["like"], where((section, chain[-1], "like"))
        if not isinstance(base, str):
            raise ConfigError(f"config: {key} is {show(base)}; it must be text, a name under {section}")
        if base not in library:
            raise ConfigError(f"config: {unknown(key, base, section, library)}")
        if base in chain:
            raise ConfigError(f"config: {key} goes in a circle: {', '.join([*chain, base])}")
        chain.append(base)
    return reduce(_merge, [library[link] for link in reversed(chain)])


def _merge(base: object, own: object) -> object:
    """`own` over `base`: maps are merged at every depth, anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(own, Mapping)):
        return own
    return {**base, **{key: _merge(base.get(key), value) for key, value in own.items()}}
