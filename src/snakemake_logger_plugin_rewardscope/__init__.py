"""Snakemake finds a logger plugin by the name of its package; `--logger rewardscope` is set in profiles/default."""

from snakemake_logger_plugin_rewardscope.terminal import LogHandler

__all__ = ["LogHandler"]
