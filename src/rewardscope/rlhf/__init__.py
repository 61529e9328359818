"""Tuning a model on a reward, and what it writes before and after."""
