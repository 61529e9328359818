"""A round of SAELens' activations store, or of TransformerLens, for benchmarks/extraction.py; runs in that library's environment."""

import json
import sys
import time
from pathlib import Path

import torch

library, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
job = json.loads((folder / "job.json").read_text())
if library == "transformer-lens":
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoModelForCausalLM

    hooks = [f"blocks.{n}.mlp.hook_out" for n in job["layers"]]
    backbone = AutoModelForCausalLM.from_pretrained(folder / "model", attn_implementation="eager")
    backbone.embed_out = torch.nn.Linear(512, 1, bias=False)  # it cannot stop after the last block, and needs not write
    model = TransformerBridge.boot_transformers(str(folder / "model"), device="cpu", hf_model=backbone).eval()
else:
    from datasets import Dataset
    from sae_lens.training.activations_store import ActivationsStore
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    hooks = [f"blocks.{n}.hook_mlp_out" for n in job["layers"]]
    torch.manual_seed(0)
    model = HookedTransformer(  # Pythia-70m's shape; random weights take as long
        HookedTransformerConfig(
            n_layers=6,
            d_model=512,
            n_heads=8,
            d_head=64,
            d_mlp=2048,
            n_ctx=2048,
            d_vocab=50304,
            act_fn="gelu",
            normalization_type="LN",
            positional_embedding_type="rotary",
            rotary_dim=16,
            parallel_attn_mlp=True,
            device="cpu",
        )  # fmt: skip
    )
found = {hook: [] for hook in hooks}
if library == "transformer-lens":
    begun = time.perf_counter()
    with torch.no_grad():
        for start in range(0, len(job["ids"]), 32):
            batch = job["ids"][start : start + 32]
            longest = max(map(len, batch))
            padded = torch.tensor([doc + [0] * (longest - len(doc)) for doc in batch])
            mask = torch.tensor([[1] * len(doc) + [0] * (longest - len(doc)) for doc in batch])
            _, cache = model.run_with_cache(padded, names_filter=hooks, attention_mask=mask)
            mask[:, 0] = 0
            for hook in hooks:
                found[hook].append(cache[hook][mask.bool()])
else:
    packed = torch.tensor([token for doc in job["ids"] for token in doc])
    rows = packed[: len(packed) // job["length"] * job["length"]].view(-1, job["length"])  # packed for it, and not timed
    store = ActivationsStore(
        model, Dataset.from_dict({"input_ids": rows.tolist()}), streaming=False, hook_name=hooks[-1], hook_head_index=None,
        context_size=job["length"], d_in=512, n_batches_in_buffer=8, total_training_tokens=1, store_batch_size_prompts=16,
        train_batch_size_tokens=4096, prepend_bos=False, normalize_activations="none", device=torch.device("cpu"), dtype="float32",
        autocast_lm="autocast" in library,
    )  # fmt: skip
    store._hook_names, store._hook_d_ins, store._hook_head_indices = hooks, dict.fromkeys(hooks, 512), {}  # as from_config_multi_hook
    begun = time.perf_counter()
    for start in range(0, len(rows), 16):
        seen = store.get_multi_hook_activations(store.get_batch_tokens(min(16, len(rows) - start)))
        for hook in hooks:
            found[hook].append(seen[hook].flatten(0, 1))
for hook in hooks:
    torch.cat(found[hook])
print(json.dumps(time.perf_counter() - begun))
