"""The configuration as a whole, and one clear line for a mistake.

`load` turns Snakemake's merged config into an immutable `Config`; nothing heavy is imported, as the Snakefile runs it.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError

from rewardscope.config import given
from rewardscope.config.entries import Corpus, Model, Recipe, Reward, Rlhf, Unrewarded
from rewardscope.config.inherit import ConfigError, resolve
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
from rewardscope.config.types import Count, Library, NotNegative, Plain, RecipeName, Results, Section, Target, Whole
from rewardscope.config.wording import LIBRARIES, lines, show
from rewardscope.run.budget import WIDEST


class Config(Section):
    """A valid configuration, in the order of config.yaml."""

    results: Results = Field(description="folder of everything the workflow makes; each overlay sets its own")
    cache: Plain = Field(description="paid LLM responses, outside every results folder")
    seed: NotNegative = Field(description="the one number from which every random state is derived")
    device: Literal["auto", "cpu", "cuda"] = Field(description="auto (CUDA when there is one), cpu or cuda")
    threads: Threads = Field(description="torch threads of a job; part of its params, as they change float sums")
    pairs: tuple[Pair, ...] = Field(strict=False, description="base model x reward x corpus")
    runs: Count = Field(description="tuning seeds per pair; with one, tables speak of that run only")
    picks: Picks = Field(description="layers: the n most divergent, and the n nearest the input")
    layers: tuple[NotNegative, ...] = Field(strict=False, description="or pin layer numbers (from 0); replaces `picks`, shares the base")
    recipe: RecipeName = Field(description="the SAE recipe that features, explanations and tables are made from")
    controls: tuple[RecipeName, ...] = Field(strict=False, description="recipes whose features stand beside in Table 3, of each pair's first run")
    crosscoder: RecipeName | None = Field(description="recipe (with k) of the crosscoder of each pair's first run; empty: none")
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
        if self.crosscoder and not (self.sae_recipes[self.crosscoder].k and not self.sae_recipes[self.crosscoder].tied):
            yield f"crosscoder is {self.crosscoder}; it must be a recipe with k and tied: false, such as batchtopk"
        for name in dict.fromkeys([self.recipe, *self.controls]):
            for model in dict.fromkeys(pair.model for pair in self.pairs):
                if (k := self.sae_recipes[name].k) and k >= (width := self.models[model].sae.widths[0]):
                    yield f"sae_recipes.{name}.k is {k:g}; it must be below models.{model}.sae.widths[0] ({width})"
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
        yield from given.misfits(self)
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
                if not self.l1(model, self.recipe) and not self.sae_recipes[self.recipe].given:
                    key = f"sae_recipes.{self.recipe}.k" if self.sae_recipes[self.recipe].k else f"models.{model}.sae.l0"
                    yield f"targets has {target}, whose sweep begins with an L1 coefficient, and {key} sets none; it must be l1"

    def _too_much(self, pair: Pair) -> Iterator[str]:
        """What asks for more layers or longer sequences than a pair's model has."""
        if not (model := self.models[pair.model].pretrain):  # the size of others is known only once they are here
            return
        for setting, count in self.depths().items():
            if count > model.layers:
                yield f"{setting}, but model {pair.model} has {model.layers} layers" + ", counted from 0" * bool(self.layers)
        if (width := self.models[pair.model].sae.widths[1]) > WIDEST * model.d_model:
            yield f"models.{pair.model}.sae.widths[1] is {width}; it must be at most {WIDEST} times d_model ({model.d_model})"
        for key, n in self.lengths(pair).items():
            if n > model.context:
                yield f"{key} is {n}, but model {pair.model} reads at most {model.context} tokens"

    def asks(self, model: str) -> dict[str, Any]:
        """What is asked of a model whose size is known only once it is here, as `models.trial` takes it."""
        lengths = {key: tokens for pair in self.pairs if pair.model == model for key, tokens in self.lengths(pair).items()}
        return {"at": self.activations.at, "lengths": lengths, "layers": self.depths(), "width": self.models[model].sae.widths[1]}

    def depths(self) -> dict[str, int]:
        """What the config says of layers -> how many a model must have for it; of picks some may be both, and Table 7 says how many."""
        pinned = {f"layers[{i}] is {layer}": layer + 1 for i, layer in enumerate(self.layers)}
        n = self.picks.top + self.picks.low
        return pinned or {f"picks.top + picks.low is {n}": n}

    def lengths(self, pair: Pair) -> dict[str, int]:
        """Config key -> tokens of the texts that it asks a pair's model to read, all of which must fit its context."""
        lengths = {"activations.tokens": self.activations.tokens} | {
            f"{key}.prefix + {key}.new": section.prefix + section.new
            for key, section in (("completions", self.completions), ("findings", self.findings), ("causes", self.causes))
        }
        if pair.rlhf:  # a tuned checkpoint needs no tuning
            return lengths
        reward, place = self.rewards[pair.reward], self._place(pair.reward, lambda settings: settings.episode)
        lengths[f"{place}.prompt_tokens[1] + {place}.response_tokens"] = reward.episode
        if reward.preferred:
            lengths[f"{self._place(pair.reward, lambda settings: settings.dpo.preferences)}.dpo.preferences.tokens"] = reward.dpo.preferences.tokens
        return lengths

    def _place(self, reward: str, setting: Callable[[Rlhf], object]) -> str:
        """Where a reward's setting stands in the config: under `rlhf`, the reward that it is a twin of, or itself."""
        true = self.rewards[reward].twin_of
        places = {"rlhf": self.rlhf} | ({f"rewards.{true}": self.rewards[true]} if true else {})
        return next((place for place, settings in places.items() if setting(settings) == setting(self.rewards[reward])), f"rewards.{reward}")

    def lexica(self, corpus: str) -> dict[str, str]:
        """Rewards by which the pairs that read a corpus are measured (of a twin the true one) -> the word table of each that has one."""
        true = [self.rewards[pair.reward].twin_of or pair.reward for pair in self.pairs if pair.corpus == corpus]
        return {name: words for name in true if (words := self.rewards[name].words)}

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
        """The L1 coefficient: the recipe's, else the model's; None where that has an L0 in its place, 0 where the recipe has k or given."""
        entry = self.sae_recipes[recipe]
        return 0.0 if entry.k or entry.given else self.models[model].sae.l1 if entry.l1 is None else entry.l1

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
        return Config.model_validate(resolve(raw), context=libraries)
    except ValidationError as error:
        first, *others = lines(error)
    raise ConfigError(f"config: {first}" + (f" (and {len(others)} more)" if others else ""))


def check_files(config: Config) -> None:
    """Raise ConfigError where a corpus, checkpoint or dictionary that a pair needs is not there, or does not fit: now, not after hours of work."""
    cache, results = (Path(os.path.realpath(path)) for path in (config.cache, config.results))  # links and `..` resolved
    if cache.is_relative_to(results):
        raise ConfigError(f"config: cache is {show(config.cache)}, which lies in results ({show(config.results)}); it must lie outside")
    for key, path in _files(config):
        if not Path(path).exists():
            raise ConfigError(f"config: {key} is {show(path)}, which is not there; paths are relative to {Path.cwd()}")
    for problem in given.problems(config):
        raise ConfigError(f"config: {problem}")


def _files(config: Config) -> Iterator[tuple[str, str]]:
    """The keys that name a local corpus, checkpoint or dictionary, and what they name."""
    yield from given.files(config)
    for i, pair in enumerate(config.pairs):
        model = config.models[pair.model]
        if model.path:
            yield f"models.{pair.model}.path", model.path
        if pair.rlhf and (path := tuned_checkpoint(pair.rlhf).get("path")):
            yield f"pairs[{i}].rlhf", path
        if (reward := config.rewards[pair.reward]).preferred and reward.dpo.preferences.path and not pair.rlhf:
            yield f"rewards.{pair.reward}.dpo.preferences.path", reward.dpo.preferences.path
        judge = config.true_reward(pair.reward).classifier
        if judge and judge.path:
            yield f"rewards.{config.rewards[pair.reward].twin_of or pair.reward}.classifier.path", judge.path
        learnt = [entry.corpus for entry in (model.pretrain, judge and judge.train) if entry]
        for name in dict.fromkeys([*learnt, pair.corpus]):
            if parts := config.corpora[name].path:
                yield from ((f"corpora.{name}.path.{part}", path) for part, path in parts)
