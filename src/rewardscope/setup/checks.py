"""The configuration as the workflow reads it, and what must be there before anything runs."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rewardscope.config.config import Config, check_files, load
from rewardscope.config.entries import Model
from rewardscope.config.files import check_text
from rewardscope.config.sections import Pair
from rewardscope.errors import UserError, brief
from rewardscope.explain import prompts
from rewardscope.rewards.functions import check_function
from rewardscope.rewards.utility import load_table
from rewardscope.run.budget import need_context

ROOT = Path(__file__).parents[3]  # of the project


def read(overlays: Iterable[str | Path]) -> Config:
    """config.yaml and `overlays` over it, merged as Snakemake merges them, checked as the workflow checks them; raises UserError."""
    config = load(merged(overlays))
    ready(config)
    return config


def merged(overlays: Iterable[str | Path]) -> dict:
    """config.yaml and `overlays` over it, as Snakemake merges them; raises UserError for a file that is no map."""
    from snakemake.common.configfile import load_configfile
    from snakemake.utils import update_config

    raw: dict = {}
    for file in (ROOT / "config.yaml", *overlays):
        check_text(file)
        try:
            update_config(raw, load_configfile(str(file)))
        except Exception as error:  # a YAML file may ask for templates, which have errors of their own
            raise UserError(f"config: {file} cannot be read ({brief(error)})") from error
    return raw


def ready(config: Config) -> None:
    """Raise UserError where something that the config names is missing or broken: named now, not after hours of work."""
    check_files(config)
    for pair in config.pairs:
        _fits(config, pair)
        reward = config.true_reward(pair.reward)
        if reward.words:
            load_table(reward.words)
        if reward.function:
            check_function(reward.function)
    if config.explainer == "openai":
        for kind, file in prompts.files(dict(config.llm)).items():
            prompts.load(file, kind)


def _fits(config: Config, pair: Pair) -> None:
    """Refuse lengths beyond the context of a pair's model: `base_model` tries them too, but once, as it is not run again when they change."""
    entry = config.models[pair.model]
    need_context(entry.path or entry.hub, config.lengths(pair), _context(entry, Path(config.results) / "models" / pair.model))


def _context(entry: Model, made: Path) -> int | None:
    """Longest sequence of a checkpoint by its `config.json`, the user's or, of the hub, what `base_model` has `made`; None where none says."""
    read = lambda file: json.loads(file.read_text(encoding="utf-8"))
    with suppress(OSError, ValueError, AttributeError, RecursionError):  # `base_model` says what is broken
        if entry.path or (entry.hub and read(made / "source.json").get("hub") == entry.hub):
            described = read((Path(entry.path) if entry.path else made / "model") / "config.json")
            sizes = described.get("text_config") or described  # of a model of texts and images
            context = sizes.get("max_position_embeddings", sizes.get("n_positions"))  # GPT-2's name of it
            return context if isinstance(context, int) else None
    return None
