"""A round of dictionary_learning's trainer for benchmarks/sae_training.py; runs in its own environment."""

import contextlib
import json
import sys
import time
from pathlib import Path

import torch
from dictionary_learning.trainers.standard import StandardTrainer
from safetensors.torch import load_file, save_file

folder, job = Path(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(job["threads"])
start = load_file(folder / "start.safetensors")
x = start["x"]
width, d = start["w_enc"].shape


def new() -> StandardTrainer:
    trainer = StandardTrainer(
        steps=len(x) // job["batch"], activation_dim=d, dict_size=width, layer=0, lm_name="", lr=job["learning_rate"],
        l1_penalty=job["l1"] * d,  # its squared error is a sum over d, ours a mean
        warmup_steps=0, sparsity_warmup_steps=None, device="cpu",
    )  # fmt: skip
    with torch.no_grad():
        trainer.ae.encoder.weight.copy_(start["w_enc"])
        trainer.ae.encoder.bias.copy_(start["b_enc"] + start["w_enc"] @ start["b_dec"])  # it takes b_dec from its input
        trainer.ae.decoder.weight.copy_(start["w_dec"].T)
        trainer.ae.bias.copy_(start["b_dec"])
    return trainer


half = torch.autocast("cpu", torch.bfloat16) if job["autocast"] else contextlib.nullcontext()
with half:
    new().update(0, x[: job["batch"]])  # not timed: what a first step alone has to do
trainer = new()
ae = trainer.ae
begun = time.perf_counter()
for step, batch in enumerate(x.split(job["batch"])):
    with half:
        trainer.update(step, batch)
seconds = time.perf_counter() - begun
with torch.no_grad():
    weights = {"w_enc": ae.encoder.weight, "b_enc": ae.encoder.bias - ae.encoder.weight @ ae.bias, "w_dec": ae.decoder.weight.T, "b_dec": ae.bias}
save_file({name: value.detach().contiguous() for name, value in weights.items()}, folder / "end.safetensors")
print(json.dumps({"seconds": seconds}))
