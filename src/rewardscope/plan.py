"""What a run will read and write, from the config alone: no hub and no model is asked."""
from pathlib import Path

from rewardscope.budget import gib
from rewardscope.config import Config

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def documents_of(config: Config, corpus: str) -> int | None:
    """Test documents of a corpus, where the config or a local Parquet file tells."""
    entry = config.corpora[corpus]
    limit = entry.max_documents.test if entry.max_documents else None
    if entry.generate:
        return entry.generate.test
    if entry.path and entry.path.test.endswith(".parquet") and Path(entry.path.test).exists():
        from pyarrow.parquet import read_metadata

        rows = read_metadata(entry.path.test).num_rows
        return min(rows, limit) if limit else rows
    return limit


def width(config: Config, model: str) -> int:
    """d_model of a model trained here; of others the small dictionary's size stands for it (equal in the paper)."""
    entry = config.models[model]
    return entry.pretrain.d_model if entry.pretrain else entry.sae.widths[0]


def lines(config: Config) -> list[str]:
    """At most how many tokens are read, and how much disk the activations take, per pair and in total."""
    out, total, largest = [], 0.0, 0.0
    picks, item = config.pick_names(), BYTES[config.activations.dtype]
    for pair in config.pairs:
        documents = documents_of(config, pair.corpus)
        if documents is None:
            out.append(f"{pair.model} x {pair.reward}: the size of corpus {pair.corpus} is not known before it is loaded; max_documents sets it")
            continue
        tokens = documents * config.activations.tokens
        side = tokens * len(picks) * width(config, pair.model) * item
        reward = config.rlhf_of(pair.reward)
        episodes = 0 if pair.rlhf else reward.updates * reward.batch
        total, largest = total + 2 * side * config.runs, max(largest, side)
        out.append(
            f"{pair.model} x {pair.reward}, {config.runs} run{'s' * (config.runs > 1)}: {episodes:,} PPO episodes a run; at most {tokens / 1e6:.1f} M "
            f"tokens a side at {len(picks)} layers, {gib(side)} of activations a side"
        )
    kept = "kept" if config.activations.keep else f"deleted once used; one side takes up to {gib(largest)}"
    return [*out, f"activations in all: at most {gib(total)}, {kept}"]
