"""Rewardscope: what did the tuned model really learn to like?

Nothing is imported here: a stage pays only for what it imports itself.
"""

__version__ = "0.1.0"
