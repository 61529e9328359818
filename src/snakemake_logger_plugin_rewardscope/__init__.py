"""Snakemake finds a logger plugin by the name of its package; `--logger rewardscope` is set in profiles/default."""
from rewardscope.terminal import LogHandler

__all__ = ["LogHandler"]
