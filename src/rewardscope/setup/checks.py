"""The configuration as the workflow reads it, and what must be there before anything runs."""

from collections.abc import Iterable
from pathlib import Path

from rewardscope.config.config import Config, check_files, load
from rewardscope.config.files import check_text
from rewardscope.errors import UserError, brief
from rewardscope.explain import prompts
from rewardscope.rewards.functions import check_function
from rewardscope.rewards.utility import load_table

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
        reward = config.true_reward(pair.reward)
        if reward.words:
            load_table(reward.words)
        if reward.function:
            check_function(reward.function)
    if config.explainer == "openai":
        for kind, file in prompts.files(dict(config.llm)).items():
            prompts.load(file, kind)
