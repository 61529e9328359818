"""What tuning taught: contexts where the reward was gained, and what the tuned model says there."""
