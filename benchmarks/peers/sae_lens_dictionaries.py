"""SAELens' BatchTopK or Matryoshka for benchmarks/dictionaries.py; runs in SAELens' own environment."""

import json
import sys
from pathlib import Path

import torch
from sae_lens import (
    BatchTopKTrainingSAE,
    BatchTopKTrainingSAEConfig,
    MatryoshkaBatchTopKTrainingSAE,
    MatryoshkaBatchTopKTrainingSAEConfig,
)
from sae_lens.config import SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer
from safetensors.torch import load_file, save_file

folder, job = Path(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(job["threads"])
torch.manual_seed(job["seed"])
x = load_file(folder / "x.safetensors")["x"]
x = x[torch.randperm(len(x))]
common = {"d_in": x.shape[1], "d_sae": job["width"], "k": job["k"], "apply_b_dec_to_input": False}
if job["kind"] == "batchtopk":
    sae = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(**common))
else:
    sae = MatryoshkaBatchTopKTrainingSAE(MatryoshkaBatchTopKTrainingSAEConfig(**common, matryoshka_widths=[*job["nested"], job["width"]]))
settings = SAETrainerConfig(
    total_training_samples=len(x),
    train_batch_size_samples=job["batch"],
    lr=job["learning_rate"],
    lr_end=job["learning_rate"],
)
trainer = SAETrainer(settings, sae, iter(()))
for batch in x.split(job["batch"]):
    trainer.step(batch)
    trainer.n_training_steps += 1
norms = sae.W_dec.norm(dim=1)  # its threshold is on activations times the decoder's norms
weights = {"w_enc": (sae.W_enc * norms).T, "b_enc": sae.b_enc * norms, "w_dec": sae.W_dec / norms[:, None], "b_dec": sae.b_dec}
weights["threshold"] = sae.topk_threshold.float().expand(job["width"])
save_file({name: value.detach().contiguous() for name, value in weights.items()}, folder / "end.safetensors")
