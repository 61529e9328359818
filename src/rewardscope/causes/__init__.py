"""Where the reward's gain passes: completions written with one model's activations in the other."""
