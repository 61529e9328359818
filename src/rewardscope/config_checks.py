"""Values of the configuration that do not fit each other, or the models that they are for: a line each."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from rewardscope.config_wording import show, unknown

if TYPE_CHECKING:
    from rewardscope.config import Classifier, Config, Pair, Pretrain, Rlhf

SOURCES = {  # an entry has exactly one
    "corpora": ("generate", "path", "hub"),
    "models": ("pretrain", "hub", "path"),
    "rewards": ("words", "function", "classifier"),
}
CLASSIFIER = ("train", "hub", "path")  # and so has a classifier


def unknown_names(config: Config) -> Iterator[str]:
    """A line for each name that no library holds."""
    named = [("recipe", config.recipe, "sae_recipes")]
    for i, pair in enumerate(config.pairs):
        named += [(f"pairs[{i}].model", pair.model, "models"), (f"pairs[{i}].reward", pair.reward, "rewards")]
        named += [(f"pairs[{i}].corpus", pair.corpus, "corpora")]
    for name, model in config.models.items():
        named += [(f"models.{name}.pretrain.corpus", model.pretrain.corpus, "corpora")] if model.pretrain else []
    for sweep in ("l1", "tied"):
        named += [(f"sweeps.{sweep}.models[{i}]", name, "models") for i, name in enumerate(dict(config.sweeps)[sweep].models)]
    for name, reward in config.rewards.items():
        if reward.classifier and (own := reward.classifier.train):
            named.append((f"rewards.{name}.classifier.train.corpus", own.corpus, "corpora"))
    for key, name, section in named:
        if name not in (library := dict(config)[section]):
            yield unknown(key, name, section, library)


def misfits(config: Config) -> Iterator[str]:
    """A line for each value that does not fit another one."""
    if PurePosixPath(config.cache).is_relative_to(config.results):
        yield f"cache is {show(config.cache)}; it must lie outside results ({show(config.results)})"
    for section, sources in SOURCES.items():
        for name, entry in dict(config)[section].items():
            given = [key for key in sources if dict(entry)[key] is not None]
            if len(given) != 1 and given != ["path", "hub"]:  # a local copy of what the hub holds
                yield f"{section}.{name} has {' and '.join(given) or 'no source'}; it must have one of {', '.join(sources)}"
    for name, model in config.models.items():
        if model.revision and not model.hub:
            yield f"models.{name}.revision is {show(model.revision)}; it needs hub"
        if model.sae.widths[0] >= model.sae.widths[1]:
            yield f"models.{name}.sae.widths is {list(model.sae.widths)}; it must be the small size, then the large one"
        if (own := model.pretrain) and own.d_model % own.heads:
            yield f"models.{name}.pretrain.d_model is {own.d_model}; it must be a multiple of heads ({own.heads})"
        if own and own.tokens > own.context:
            yield f"models.{name}.pretrain.tokens is {own.tokens}; it must be at most context ({own.context})"
    common = list(_rlhf_misfits(config.rlhf))
    yield from (f"rlhf.{line}" for line in common)
    for name, reward in config.rewards.items():
        yield from (f"rewards.{name}.{line}" for line in _rlhf_misfits(reward) if line not in common)
        if reward.classifier:
            yield from (f"rewards.{name}.classifier{line}" for line in _classifier_misfits(reward.classifier))
    for name, recipe in config.sae_recipes.items():
        if recipe.frozen_decoder and recipe.tied:
            yield f"sae_recipes.{name}.frozen_decoder is true; it needs tied: false, as the encoder must still learn"
    if len(set(config.layers)) < len(config.layers):
        yield f"layers is {list(config.layers)}; its numbers must be distinct"
    if not config.layers and config.picks.top + config.picks.low == 0:
        yield "picks.top is 0, and so is picks.low; one of them must be at least 1, unless layers pins some"
    if "table7" in config.targets and (config.layers or not (config.picks.top and config.picks.low)):
        yield "targets has table7, which compares top and low layers; picks.top and picks.low must be at least 1, and layers empty"
    if not (config.sweeps.l1.activations or config.sweeps.l1.weights):
        yield "sweeps.l1 has no coefficients; activations or weights must list some"
    if config.explainer == "tokens" and config.samples > 1:
        yield f"samples is {config.samples}, but explainer tokens is deterministic; it must be 1"
    if not config.pairs:
        yield "pairs is empty; it must hold at least one map of model, reward and corpus"


def _rlhf_misfits(rlhf: Rlhf) -> Iterator[str]:
    if rlhf.batch % rlhf.minibatch:
        yield f"batch is {rlhf.batch}; it must be a multiple of minibatch ({rlhf.minibatch})"
    if rlhf.prompt_tokens[0] > rlhf.prompt_tokens[1]:
        yield f"prompt_tokens is {list(rlhf.prompt_tokens)}; it must be the least length, then the greatest"


def _classifier_misfits(entry: Classifier) -> Iterator[str]:
    given = [key for key in CLASSIFIER if dict(entry)[key] is not None]
    if len(given) != 1:
        yield f" has {' and '.join(given) or 'no source'}; it must have one of {', '.join(CLASSIFIER)}"
    if entry.revision and not entry.hub:
        yield f".revision is {show(entry.revision)}; it needs hub"
    if entry.train and entry.positive:
        yield f".positive is {show(entry.positive)}; it needs hub or path, as one trained here names its own labels"
    if (own := entry.train) and own.d_model % own.heads:
        yield f".train.d_model is {own.d_model}; it must be a multiple of heads ({own.heads})"


def pair_misfits(config: Config) -> Iterator[str]:
    """A line for each pair that collides with another, and for each setting that its model is too small for."""
    first: dict[tuple[str, str], int] = {}
    corpora: dict[str, str] = {}  # of the models
    for i, pair in enumerate(config.pairs):
        other = first.setdefault((pair.model, pair.reward), i)
        if other < i and config.pairs[other].corpus == pair.corpus:
            yield f"pairs[{i}] has the model, reward and corpus of pairs[{other}]; remove one of them"
        elif other < i:
            hint = f"give its reward a name of its own, with like: {pair.reward}"
            yield f"pairs[{i}] differs from pairs[{other}] only in corpus; {hint}"
        elif config.layers and corpora.setdefault(pair.model, pair.corpus) != pair.corpus:
            only = f"model {pair.model} has one corpus when layers are pinned: {corpora[pair.model]}"
            yield f"pairs[{i}].corpus is {pair.corpus}, but {only}"
        if model := config.models[pair.model].pretrain:  # of others the size is known only once they are here
            yield from _too_much(config, pair, model)


def _too_much(config: Config, pair: Pair, model: Pretrain) -> Iterator[str]:
    """A line for each setting that asks for more layers or longer sequences than a model has."""
    for i, layer in enumerate(config.layers):
        if layer >= model.layers:
            yield f"layers[{i}] is {layer}, but model {pair.model} has {model.layers} layers, counted from 0"
    for kind, n in config.picks if not config.layers else ():
        if n > model.layers:
            yield f"picks.{kind} is {n}, but model {pair.model} has {model.layers} layers"
    episode, usual = (r.prompt_tokens[1] + r.response_tokens for r in (config.rewards[pair.reward], config.rlhf))
    where = "rlhf" if episode == usual else f"rewards.{pair.reward}"
    lengths = {
        "activations.tokens": config.activations.tokens,
        "completions.prefix + completions.new": config.completions.prefix + config.completions.new,
        f"{where}.prompt_tokens[1] + {where}.response_tokens": 0 if pair.rlhf else episode,  # a tuned checkpoint needs no PPO
    }
    for key, n in lengths.items():
        if n > model.context:
            yield f"{key} is {n}, but model {pair.model} reads at most {model.context} tokens"
