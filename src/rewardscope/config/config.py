"""The configuration as a whole, and one clear line for a mistake.

`load` turns Snakemake's merged config into an immutable `Config`; nothing heavy is imported, as the Snakefile runs it.
"""

import os
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from pydantic import Field, ValidationError

from rewardscope.config.entries import Corpus, Model, Recipe, Reward, Rlhf, Unrewarded, foreign
from rewardscope.config.sections import (
    Activations,
    Causes,
    Completions,
    Explain,
    Features,
    Findings,
    Llm,
    Pair,
    Picks,
    Report,
    Scores,
    Sweeps,
    Threads,
    tuned_checkpoint,
)
from rewardscope.config.types import Count, Library, NotNegative, Plain, RecipeName, Results, Section, Target, Whole, unusable
from rewardscope.config.wording import LIBRARIES, lines, show, unknown, where
from rewardscope.errors import UserError
from rewardscope.run.budget import WIDEST

CHAIN = 20  # entries, each `like` the next


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
    recipe: RecipeName = Field(description="the SAE recipe that features, explanations and tables are made from")
    controls: tuple[RecipeName, ...] = Field(strict=False, description="recipes whose features stand beside in Table 3, of each pair's first run")
    sae_seeds: Count = Field(description="SAE replicates per place; below 6 a sign-flip test cannot reach p < 0.05")
    targets: tuple[Target, ...] = Field(strict=False, description="what `snakemake` without a target makes")
    explainer: Literal["tokens", "openai"] = Field(description="tokens: the deterministic, server-less baseline; openai: a chat server")
    samples: Count = Field(description="repeated explanations per feature (the paper: 3); tokens is deterministic")
    corpora: Library[Corpus] = Field(description="library of corpora")
    models: Library[Model] = Field(description="library of base models")
    rewards: Library[Reward] = Field(description="library of rewards")
    sae_recipes: Library[Recipe] = Field(description="section 5.2 and Appendix H")
    rlhf: Rlhf = Field(description="how base models are tuned (TRL); any key may be set for one reward under `rewards`")
    activations: Activations = Field(description="what is read from the models")
    features: Features = Field(description="which features are kept")
    explain: Explain = Field(description="how features are put into words")
    llm: Llm = Field(description="the chat server that the explainer openai asks")
    scores: Scores = Field(description="scores of explanations on held documents")
    findings: Findings = Field(description="what the reward taught, in words")
    causes: Causes = Field(description="how much of the gain in reward passes through layers and features")
    completions: Completions = Field(description="Table 4")
    sweeps: Sweeps = Field(description="Appendix H: short trainings with some of the recipe's keys changed")
    bootstrap: Whole = Field(description="resamples behind an interval over prompts")
    report: Report = Field(description="report.html")

    def misfits(self) -> Iterator[str]:
        if not self.pairs:
            yield "pairs is empty; it must hold at least one map of model, reward and corpus"
        if PurePosixPath(os.path.normpath(self.cache)).is_relative_to(self.results):
            yield f"cache is {show(self.cache)}; it must lie outside results ({show(self.results)})"
        if not self.targets:
            yield f"targets is empty; it must list some of {', '.join(get_args(Target))}"
        if len(set(self.layers)) < len(self.layers):
            yield f"layers is {list(self.layers)}; its numbers must be distinct"
        if self.recipe in self.controls:
            yield f"controls names {show(self.recipe)}, which is recipe itself; a control is another recipe"
        if len(set(self.controls)) < len(self.controls):
            yield f"controls is {list(self.controls)}; its names must be distinct"
        if not self.layers and self.picks.top + self.picks.low == 0:
            yield "picks.top is 0, and so is picks.low; one of them must be at least 1, unless layers pins some"
        if "table7" in self.targets and (self.layers or not (self.picks.top and self.picks.low)):
            yield "targets has table7, which compares top and low layers; picks.top and picks.low must be at least 1, and layers empty"
        if self.explainer == "tokens" and self.samples > 1:
            yield f"samples is {self.samples}, but explainer tokens is deterministic; it must be 1"
        for name in dict.fromkeys(pair.reward for pair in self.pairs):
            reward = self.rewards[name]
            if reward.twin_of and (true := self.rewards[reward.twin_of]).twin_of:
                known = "" if self.rewards[true.twin_of].twin_of else f", {show(true.twin_of)}"
                yield f"rewards.{name}.twin_of is {show(reward.twin_of)}, a twin itself; it must be the true reward{known}"
            elif reward.twin_of and reward.preferred:
                yield f"rewards.{name}.dpo.preferences is given, and a twin would learn the same from it; it must be empty"
            elif reward.kind == "words" and not self.rewards[reward.twin_of].words:
                yield f"rewards.{name}.kind is words, but {show(reward.twin_of)} has no word table; it must be noise or zero"
        first, corpora = {}, {}  # model and reward -> number of their pair; model -> its corpus
        for i, pair in enumerate(self.pairs):
            other = first.setdefault((pair.model, pair.reward), i)
            if other < i and pair.name:
                yield f"pairs[{i}].name is {pair.name}, as of pairs[{other}]; it must be another one"
            elif other < i and self.pairs[other].corpus == pair.corpus:
                yield f"pairs[{i}] has the model, reward and corpus of pairs[{other}]; remove one of them"
            elif other < i:
                yield f"pairs[{i}] differs from pairs[{other}] only in corpus; give its reward a name of its own, with like: {pair.reward}"
            elif {p.corpus for p in self.pairs if (p.model, p.reward) == (pair.model, self.rewards[pair.reward].twin_of)} - {pair.corpus}:
                yield f"pairs[{i}].corpus is {pair.corpus}; it must be that of the pair that {pair.reward} is a twin of"
            elif self.shares_base() and corpora.setdefault(pair.model, pair.corpus) != pair.corpus:
                why = "layers are pinned" if self.layers else "picks.shared is true"
                yield f"pairs[{i}].corpus is {pair.corpus}, but model {pair.model} has one corpus when {why}: {corpora[pair.model]}"
        yield from self._unmade()
        yield from dict.fromkeys(text for pair in self.pairs for text in self._too_much(pair))  # once, where several pairs ask for it

    def _unmade(self) -> Iterator[str]:
        """Targets that none of the pairs can give."""
        models = {pair.model for pair in self.pairs}
        if "accuracy" in self.targets and not any(self.true_reward(pair.reward).classifier for pair in self.pairs):
            yield "targets has accuracy, but no reward of pairs is a classifier; it must have one, or targets be without it"
        if "section6.2" in self.targets and not any(self.true_reward(pair.reward).words for pair in self.pairs):
            yield "targets has section6.2, but no reward of pairs has a word table; it must have one, or targets be without it"
        for target, key, sweep in (("figure4", "l1", self.sweeps.l1), ("table6", "tied", self.sweeps.tied), ("table7", "tied", self.sweeps.tied)):
            if target in self.targets and sweep.models and not models & set(sweep.models):
                yield f"targets has {target}, but sweeps.{key}.models names no model of pairs; it must name one, or be empty for all"
            for model in sorted(models & set(sweep.models or models)) if target in self.targets else ():
                if self.l1(model, self.recipe) is None:
                    yield f"targets has {target}, whose sweep begins with an L1 coefficient, and models.{model}.sae.l0 sets none; it must be l1"

    def _too_much(self, pair: Pair) -> Iterator[str]:
        """What asks for more layers or longer sequences than a pair's model has."""
        if not (model := self.models[pair.model].pretrain):  # the size of others is known only once they are here
            return
        for i, layer in enumerate(self.layers):
            if layer >= model.layers:
                yield f"layers[{i}] is {layer}, but model {pair.model} has {model.layers} layers, counted from 0"
        if not self.layers and (n := self.picks.top + self.picks.low) > model.layers:  # some may be both: Table 7 says how many
            yield f"picks.top + picks.low is {n}, but model {pair.model} has {model.layers} layers"
        if (width := self.models[pair.model].sae.widths[1]) > WIDEST * model.d_model:
            yield f"models.{pair.model}.sae.widths[1] is {width}; it must be at most {WIDEST} times d_model ({model.d_model})"
        own = self.rewards[pair.reward]
        inherited = {"rlhf": self.rlhf} | ({f"rewards.{own.twin_of}": self.rewards[own.twin_of]} if own.twin_of else {})
        place = next((place for place, settings in inherited.items() if settings.episode == own.episode), f"rewards.{pair.reward}")
        lengths = {
            "activations.tokens": self.activations.tokens,
            "completions.prefix + completions.new": self.completions.prefix + self.completions.new,
            "findings.prefix + findings.new": self.findings.prefix + self.findings.new,
            "causes.prefix + causes.new": self.causes.prefix + self.causes.new,
            f"{place}.prompt_tokens[1] + {place}.response_tokens": 0 if pair.rlhf else own.episode,  # a tuned checkpoint needs no tuning
            f"{place}.dpo.preferences.tokens": own.dpo.preferences.tokens if own.preferred and not pair.rlhf else 0,
        }
        for key, n in lengths.items():
            if n > model.context:
                yield f"{key} is {n}, but model {pair.model} reads at most {model.context} tokens"

    def true_reward(self, name: str) -> Reward:
        """The reward by which tables measure: of a twin the one it is a placebo of, of any other itself."""
        return self.rewards[self.rewards[name].twin_of or name]

    def rewarded(self, name: str) -> bool:
        """Whether a pair's reward is one, and not the name of a pair without."""
        return not isinstance(self.rewards[name], Unrewarded)

    def rlhf_of(self, reward: str) -> Rlhf:
        """The RLHF settings of a reward: `rlhf:` with the keys that the reward overrides."""
        return Rlhf(**self.rewards[reward].model_dump(include=set(Rlhf.model_fields)))

    def l1(self, model: str, recipe: str) -> float | None:
        """The L1 coefficient: the recipe's where it has one, else the model's; None where that has an L0 in its place."""
        l1 = self.sae_recipes[recipe].l1
        return self.models[model].sae.l1 if l1 is None else l1

    def shares_base(self) -> bool:
        """Whether the base side of a model is the same for all its pairs, and lies once under `bases/`."""
        return bool(self.layers) or self.picks.shared

    def pick_names(self) -> list[str]:
        """The values of the wildcard `{pick}`: layer1, ... where layers are pinned, else top1, ..., low1, ..."""
        if self.layers:
            return [f"layer{i}" for i in self.layers]
        return [f"{kind}{i}" for kind in ("top", "low") for i in range(1, dict(self.picks)[kind] + 1)]


def load(raw: Mapping) -> Config:
    """Check Snakemake's merged config and type it; raises ConfigError, one line, where something is wrong."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"config: the configuration is {show(raw)}; it must be a map")
    libraries = {name: raw[name] for name in LIBRARIES if isinstance(raw.get(name), Mapping)}
    try:
        return Config.model_validate(_resolve(raw), context=libraries)
    except ValidationError as error:
        first, *others = lines(error)
    raise ConfigError(f"config: {first}" + (f" (and {len(others)} more)" if others else ""))


def check_files(config: Config) -> None:
    """Raise ConfigError where a corpus or checkpoint that a pair needs is not there: now, not after hours of work."""
    cache, results = (Path(os.path.realpath(path)) for path in (config.cache, config.results))  # links and `..` resolved
    if cache.is_relative_to(results):
        raise ConfigError(f"config: cache is {show(config.cache)}, which lies in results ({show(config.results)}); it must lie outside")
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
        if (own := config.rewards[pair.reward]).preferred and own.dpo.preferences.path and not pair.rlhf:
            yield f"rewards.{pair.reward}.dpo.preferences.path", own.dpo.preferences.path
        judge = config.true_reward(pair.reward).classifier
        if judge and judge.path:
            yield f"rewards.{config.rewards[pair.reward].twin_of or pair.reward}.classifier.path", judge.path
        learnt = [entry.corpus for entry in (model.pretrain, judge and judge.train) if entry]
        for name in dict.fromkeys([*learnt, pair.corpus]):
            if parts := config.corpora[name].path:
                yield from ((f"corpora.{name}.path.{part}", path) for part, path in parts)


def _resolve(raw: Mapping) -> dict:
    """The config with each entry merged over what it is `like`, and each reward over `rlhf:`."""
    full = dict(raw)
    for section in LIBRARIES:
        if isinstance(raw.get(section), Mapping):
            for name in raw[section]:
                if why := unusable(name):
                    raise ConfigError(f"config: {where((section, name))} is not a usable name; {why}")
            full[section] = {name: _entry(section, raw[section], name) for name in raw[section]}
    if isinstance(rewards := full.get("rewards"), Mapping):  # a wrong `rlhf:` would be told again for each of them
        known = isinstance(raw.get("rlhf"), Mapping)
        full["rewards"] = {name: _merge(raw["rlhf"], _twin(entry, rewards)) for name, entry in rewards.items()} if known else {}
        _own_keys(raw, full["rewards"])
        full["rewards"] = _unrewarded(raw) | full["rewards"]
    return full


def _own_keys(raw: Mapping, rewards: Mapping) -> None:
    """Refuse a key of another method in an entry that says its method or that a pair names. What it inherits is no mistake: it is not read."""
    pairs = raw["pairs"] if isinstance(raw.get("pairs"), list | tuple) else []
    used = [pair.get("reward") for pair in pairs if isinstance(pair, Mapping)]
    for name, entry in raw["rewards"].items():
        if isinstance(entry, Mapping) and isinstance(rewards.get(name), Mapping) and ("method" in entry or name in used):
            for text in foreign(entry, rewards[name].get("method"), show(name)):
                raise ConfigError(f"config: rewards.{show(name)}{text}")


def _unrewarded(raw: Mapping) -> dict[str, Unrewarded]:
    """What stands for the reward of each pair that has a name; nothing where `rlhf:`, whose settings it has, is wrong itself."""
    pairs = raw.get("pairs")
    names = [pair.get("name") for pair in pairs if isinstance(pair, Mapping)] if isinstance(pairs, list | tuple) else []
    try:
        settings = dict(Rlhf.model_validate(raw.get("rlhf")))
    except ValidationError:
        return {}
    return {name: Unrewarded(**settings) for name in names if isinstance(name, str)}


def _twin(entry: object, rewards: Mapping) -> object:
    """A twin over the RLHF settings of its true reward."""
    true = rewards.get(entry.get("twin_of")) if isinstance(entry, Mapping) and isinstance(entry.get("twin_of"), str) else None
    if not isinstance(true, Mapping):
        return entry
    return _merge({key: value for key, value in true.items() if key in Rlhf.model_fields}, entry)


def _entry(section: str, library: Mapping, name: str) -> object:
    """An entry of a library, merged over the entries that it is `like`."""
    chain = [name]
    while isinstance(entry := library[chain[-1]], Mapping) and "like" in entry:
        base, key = entry["like"], where((section, chain[-1], "like"))
        if not isinstance(base, str):
            raise ConfigError(f"config: {key} is {show(base)}; it must be text, a name under {section}")
        if base not in library:
            raise ConfigError(f"config: {key}{unknown(base, section, library)}")
        if base in chain:
            raise ConfigError(f"config: {key} goes in a circle: {', '.join([*chain, base])}")
        chain.append(base)
        if len(chain) > CHAIN:
            key = where((section, name, "like"))
            raise ConfigError(f"config: {key} leads through more than {CHAIN} entries, each like the next; write out there what is meant")
    return reduce(_merge, [library[link] for link in reversed(chain)])


def _merge(base: object, over: object) -> object:
    """`over` over `base`: maps are merged at every depth, anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return over
    return {**base, **{key: _merge(base.get(key), value) for key, value in over.items()}}
