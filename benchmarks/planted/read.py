"""Reads the twins of config/validate.yaml with every kind's reward: what findings would say of a model that was tuned on something else.

RESULTS/planted/{twin}.parquet has the findings of the twin's run with the reward of each kind (`read_with`), with the utility table's, with the
twin's own, and from the two checkpoints alone.
"""

from functools import partial
from pathlib import Path

import pandas as pd
import torch
from plan import FOLDER, RECIPE, ROOT
from safetensors.torch import load_file

from rewardscope.activations import moments
from rewardscope.files import read_json, whole
from rewardscope.findings import findings, samples
from rewardscope.findings.families import Joint, Place
from rewardscope.models import models
from rewardscope.rewards import functions, rewards
from rewardscope.sae.model import from_tensors
from rewardscope.seeds import derive

MODEL, CORPUS, WIDTH = "tiny", "reviews", 128  # of config/validate.yaml
KINDS = ("shared", "difference")  # of dictionaries of both sides
LEAST = 3.0  # a score below it is below any threshold: such a context is not read
OWN, TABLE = "its own", "utility"  # `read_with` of what is no kind's reward


def rewards_of(results: Path, twin: str, kinds: dict[str, str]) -> dict[str, rewards.Reward]:
    """What a twin is read with: each of `kinds` (name -> `file.py:name`), the utility table, and its own reward where that is not constant."""
    out = {kind: functions.load(source) for kind, source in kinds.items()} | {TABLE: rewards.load({"words": "vader"})}
    if (file := results / f"rewards/{twin}/twin.json").exists():
        out[OWN] = rewards.load({"twin_of": TABLE}, file)
    elif twin.startswith("noise"):
        out[OWN] = functions.load(f"{ROOT}/{FOLDER}/placebos.py:{twin.replace('-', '_')}")
    return out


def read(results: Path, pair: str, settings: dict, seed: int, by: dict[str, rewards.Reward]) -> pd.DataFrame:
    """Findings of a pair, with each of these rewards (name -> reward) and without one, a column `read_with` last."""
    folder, layers = results / pair, read_json(results / pair / "layers.json")
    base, tuned = (models.load(place) for place in (results / f"models/{MODEL}/model", folder / "rlhf/model"))
    tokenizer = models.load_tokenizer(results / f"models/{MODEL}/model")
    corpus = pd.read_parquet(results / f"corpora/{CORPUS}/test.parquet", columns=["text", "part"])
    sequences, side = samples.write(base, tuned, tokenizer, corpus, settings, derive(seed, "findings", pair))
    found = samples.sampled(base, tuned, sequences, settings["prefix"], sorted(set(layers.values())), "mlp")
    places = []
    for pick, layer in layers.items():
        saes = {int(file.parent.name.removeprefix("seed")): from_tensors(load_file(file))
                for file in sorted(folder.glob(f"rlhf/saes/{RECIPE}/{pick}/width{WIDTH}/seed*/sae.safetensors"))}  # fmt: skip
        both = [load_file(folder / f"joint/{RECIPE}/{pick}/width{WIDTH}/seed1/{kind}.safetensors") for kind in KINDS]
        joint = tuple(Joint(kind, from_tensors(of), of["scale"].item()) for kind, of in zip(KINDS, both, strict=True))
        rows = moments.random_rows(
            load_file(folder / f"rlhf/activations/{pick}.moments.safetensors"), WIDTH, derive(seed, "findings directions", pair, pick)
        )
        places.append(Place(pick, layer, saes, rows, joint))
    run = findings.Run(base, tuned, found, side, samples.pieces(tokenizer, sequences), places)
    logs = [part for _, _, part in samples.log_probabilities(base, tuned, sequences, settings["prefix"])]
    probabilities = [torch.cat(of).exp() for of in zip(*logs, strict=True)]
    run.distributions = partial(weighted, probabilities)  # kept for all kinds
    tables = []
    for name, reward in by.items():
        gained, credit, problem = findings.credits(found, reward, tokenizer, "both")
        if problem:
            print(f"{pair} with {name}: {problem}")
            continue
        tables.append(pd.DataFrame(run.with_reward(credit, gained, settings["kept"], LEAST), columns=findings.COLUMNS).assign(read_with=name))
    tables.append(pd.DataFrame(run.without_reward(gained, settings["kept"]), columns=findings.COLUMNS).assign(read_with="", gain=float("nan")))
    return pd.concat(tables, ignore_index=True)


def weighted(probabilities: list[torch.Tensor], weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What `samples.distributions` gives, of probabilities that are at hand."""
    total = weights.sum(dim=0).clamp_min(1e-12).unsqueeze(1)
    return tuple(weights.T @ of / total for of in probabilities)


def write(pair: str, results: Path, settings: dict, seed: int, kinds: dict[str, str]) -> str:
    torch.set_num_threads(1)
    with whole(file_of(results, pair)) as file:
        read(results, pair, settings, seed, rewards_of(results, pair.split("/")[2], kinds)).to_parquet(file, index=False)
    return pair


def file_of(results: Path, pair: str) -> Path:
    return results / "planted" / f"{pair.split('/')[2]}.parquet"
