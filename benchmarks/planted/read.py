"""Reads the twins of a planted benchmark with every kind's reward: what findings would say of a model that was tuned on something else.

RESULTS/planted/{twin}.parquet has the findings of the twin's run with the reward of each kind (`read_with`), with the utility table's, with the
twin's own, and from the two checkpoints alone;
{run}.parquet those of a run of a kind with its own reward, where features of other recipes are read beside.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from plan import FOLDER, LAYER, ROOT
from safetensors.torch import load_file

from rewardscope.activations import moments
from rewardscope.files import whole
from rewardscope.findings import findings, samples
from rewardscope.findings.families import Joint, Place
from rewardscope.findings.kinds import FEATURES
from rewardscope.models import models
from rewardscope.rewards import functions, rewards
from rewardscope.sae import crosscoder
from rewardscope.sae.model import from_tensors
from rewardscope.seeds import derive

MODEL, CORPUS, WIDTH = "tiny", "reviews", 128  # of the benchmark's overlays
KINDS = ("shared", "difference")  # of dictionaries of both sides
LEAST = 3.0  # of a twin a context below it is not read: it is below any threshold
OWN, TABLE = "its own", "utility"  # `read_with` of what is no kind's reward


class Dictionaries(NamedTuple):
    """Whose features are contexts."""

    recipe: str
    crosscoder: str | None
    """its recipe, where one is read"""
    beside: tuple[str, ...] = ()
    """other recipes; their contexts are `{recipe} features`"""

    def files(self, pair: str) -> list[str]:
        """Of the layer's small dictionaries, below the results folder: of each recipe, `recipe` first, of both sides, the crosscoder."""
        place = f"layer{LAYER}/width{WIDTH}/seed1"
        out = [f"{pair}/rlhf/saes/{recipe}/{place}/sae.safetensors" for recipe in (self.recipe, *self.beside)]
        out += [f"{pair}/joint/{self.recipe}/{place}/{kind}.safetensors" for kind in KINDS]
        return out + [f"{pair}/joint/{self.crosscoder}/{place}/crosscoder/sae.safetensors"] * bool(self.crosscoder)

    def place(self, results: Path, pair: str, random: torch.Tensor) -> Place:
        """Features of the recipes beside are those of SAE seeds 2, 3 and so on."""
        saes, joint = {}, []
        for file in self.files(pair):
            stored, kind = load_file(results / file), Path(file).stem
            if "/crosscoder/" in file:
                joint.append(Joint("crosscoder", *crosscoder.from_tensors(stored)))
            elif kind in KINDS:
                joint.append(Joint(kind, from_tensors(stored), stored["scale"].item()))
            else:
                saes[len(saes) + 1] = from_tensors(stored)
        return Place(f"layer{LAYER}", LAYER, saes, random, tuple(joint))

    def named(self, findings: pd.DataFrame) -> pd.DataFrame:
        """With the contexts of recipes beside under their own name."""
        names = {seed: f"{recipe} {FEATURES}" for seed, recipe in enumerate(self.beside, start=2)}
        of_beside = (findings["contexts"] == FEATURES) & findings["seed"].isin(list(names))
        return findings.assign(contexts=findings["contexts"].mask(of_beside, findings["seed"].map(names)))


def rewards_of(results: Path, twin: str, kinds: dict[str, str]) -> dict[str, rewards.Reward]:
    """What a twin is read with: each of `kinds` (name -> `file.py:name`), the utility table, and its own reward where that is not constant."""
    out = {kind: functions.load(source) for kind, source in kinds.items()} | {TABLE: rewards.load({"words": "vader"})}
    if (file := results / f"rewards/{twin}/twin.json").exists():
        out[OWN] = rewards.load({"twin_of": TABLE}, file)
    elif twin.startswith("noise"):
        out[OWN] = functions.load(f"{ROOT}/{FOLDER}/placebos.py:{twin.replace('-', '_')}")
    return out


def read(
    results: Path, pair: str, dictionaries: Dictionaries, settings: dict, seed: int, by: dict[str, rewards.Reward], least: float
) -> pd.DataFrame:
    """Findings of a pair, with each of these rewards (name -> reward; of scores above `least`) and without one, a column `read_with` last."""
    folder = results / pair
    base, tuned = (models.load(place) for place in (results / f"models/{MODEL}/model", folder / "rlhf/model"))
    tokenizer = models.load_tokenizer(results / f"models/{MODEL}/model")
    corpus = pd.read_parquet(results / f"corpora/{CORPUS}/test.parquet", columns=["text", "part"])
    sequences, side = samples.write(base, tuned, tokenizer, corpus, settings, derive(seed, "findings", pair))
    found = samples.sampled(base, tuned, sequences, settings["prefix"], [LAYER], "mlp")
    of_rows = load_file(folder / f"rlhf/activations/layer{LAYER}.moments.safetensors")
    random = moments.random_rows(of_rows, WIDTH, derive(seed, "findings directions", pair, f"layer{LAYER}"))
    places = [dictionaries.place(results, pair, random)]
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
        tables.append(pd.DataFrame(run.with_reward(credit, gained, settings["kept"], least), columns=findings.COLUMNS).assign(read_with=name))
    tables.append(pd.DataFrame(run.without_reward(gained, settings["kept"]), columns=findings.COLUMNS).assign(read_with="", gain=float("nan")))
    return dictionaries.named(pd.concat(tables, ignore_index=True))


def weighted(probabilities: list[torch.Tensor], weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What `samples.distributions` gives, of probabilities that are at hand."""
    total = weights.sum(dim=0).clamp_min(1e-12).unsqueeze(1)
    return tuple(weights.T @ of / total for of in probabilities)


def write(pair: str, results: Path, dictionaries: Dictionaries, settings: dict, seed: int, kinds: dict[str, str]) -> str:
    """The file of a twin, or of a run of one of `kinds`."""
    torch.set_num_threads(1)
    name = pair.split("/")[2]
    own = kinds.get(name.removesuffix("-weak"))
    by = {name.removesuffix("-weak"): functions.load(own)} if own else rewards_of(results, name, kinds)
    table = read(results, pair, dictionaries, settings, seed, by, 0.0 if own else LEAST)
    table.attrs["kinds"] = sorted(kinds)
    with whole(file_of(results, pair)) as file:
        table.to_parquet(file, index=False)
    return pair


def is_read(results: Path, pair: str, kinds: dict[str, str]) -> bool:
    """Whether its file is there, and of these kinds."""
    file = file_of(results, pair)
    return file.exists() and pd.read_parquet(file).attrs.get("kinds") == sorted(kinds)


def file_of(results: Path, pair: str) -> Path:
    return results / "planted" / f"{pair.split('/')[2]}.parquet"
