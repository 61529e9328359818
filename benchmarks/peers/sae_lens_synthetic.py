"""Data of SAELens' own generator for benchmarks/dictionaries.py; runs in SAELens' own environment.

Its SyntheticModel with Zipf's frequencies, firing correlated by a matrix of low rank, and its own values where the job names none.
"""

import json
import sys
from pathlib import Path

import torch
from sae_lens.synthetic import LowRankCorrelationConfig, SyntheticModel, SyntheticModelConfig, ZipfianFiringProbabilityConfig
from safetensors.torch import save_file

folder, job = Path(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(job["threads"])
model = SyntheticModel(
    SyntheticModelConfig(
        num_features=job["features"],
        hidden_dim=job["d"],
        firing_probability=ZipfianFiringProbabilityConfig(exponent=job["exponent"], max_prob=job["max_prob"]),
        correlation=LowRankCorrelationConfig(),
        std_firing_magnitudes=job["spread"],
        seed=0,
    )
)
stored = {"directions": model.feature_dict.feature_vectors.detach()}
for seed, (part, tokens) in enumerate(job["tokens"].items(), start=1):
    torch.manual_seed(seed)
    stored[part], sizes = model.sample_with_features(tokens)
    if part == "held":
        stored["sizes"] = sizes
save_file({name: value.detach().contiguous() for name, value in stored.items()}, folder / "data.safetensors")
