"""A round of SAELens' trainer for benchmarks/sae_training.py; runs in SAELens' own environment."""

import json
import sys
import time
from pathlib import Path

import torch
from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, StandardTrainingSAE, StandardTrainingSAEConfig
from sae_lens.config import SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer
from safetensors.torch import load_file, save_file

folder, job = Path(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(job["threads"])
start = load_file(folder / "start.safetensors")
x = start["x"]
width, d = start["w_enc"].shape
l1 = job["l1"] * d  # its squared error is a sum over d, ours a mean
common = {"d_in": d, "d_sae": width, "apply_b_dec_to_input": False}


def new() -> SAETrainer:
    if job["k"]:
        sae = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(**common, k=job["k"], use_sparse_activations=job["sparse"]))
    else:
        sae = StandardTrainingSAE(StandardTrainingSAEConfig(**common, l1_coefficient=l1))
    with torch.no_grad():
        for name, value in (("W_enc", start["w_enc"].T), ("b_enc", start["b_enc"]), ("W_dec", start["w_dec"]), ("b_dec", start["b_dec"])):
            getattr(sae, name).copy_(value)
    settings = SAETrainerConfig(
        total_training_samples=len(x),
        train_batch_size_samples=job["batch"],
        lr=job["learning_rate"],
        lr_end=job["learning_rate"],
        autocast=job["autocast"],
    )
    return SAETrainer(settings, sae, iter(()))


new().step(x[: job["batch"]])  # not timed: what a first step alone has to do
trainer = new()
sae = trainer.sae
begun = time.perf_counter()
for batch in x.split(job["batch"]):
    trainer.step(batch)
    trainer.n_training_steps += 1
seconds = time.perf_counter() - begun
weights = {"w_enc": sae.W_enc.T, "b_enc": sae.b_enc, "w_dec": sae.W_dec, "b_dec": sae.b_dec}
save_file({name: value.detach().contiguous() for name, value in weights.items()}, folder / "end.safetensors")
print(json.dumps({"seconds": seconds}))
