"""Rewards: from texts to numbers."""
