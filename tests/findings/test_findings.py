"""Findings of a planted change: a tuned model that was moved to write one word after another finds just that, and a placebo does not."""

import copy
import random

import pandas as pd
import pytest
import tiny
import torch

from rewardscope.errors import UserError
from rewardscope.findings import findings, samples
from rewardscope.models import models
from rewardscope.sae.model import new

PROMPT, NEW = 3, 8


@pytest.fixture(scope="module")
def planted():
    """A base, and the same with the logit of ` good` raised nearly everywhere: completions of both, and what the tuned model's MLP gives."""
    tokenizer = tiny.tokenizer()
    base = tiny.build("gpt_neox").eval()
    good = tokenizer(" good", add_special_tokens=False)["input_ids"][-1]
    tuned = copy.deepcopy(base)
    with torch.no_grad():  # along the mean of the final states
        ids = torch.tensor([tokenizer(text)["input_ids"][:12] for text in tiny.texts() if len(tokenizer(text)["input_ids"]) > 12])
        state = tuned.base_model(input_ids=ids).last_hidden_state.mean(dim=(0, 1))
        tuned.get_output_embeddings().weight[good] += 4 * state / state.square().sum()
    rng = random.Random(1)
    corpus = pd.DataFrame({"text": [" ".join(rng.choice(tiny.WORDS) for _ in range(14)) for _ in range(80)], "part": "fit"})
    settings = {"completions": 60, "prefix": PROMPT, "new": NEW}
    sequences, side = samples.write(base, tuned, tokenizer, corpus, settings, seed=5)
    read = samples.read(base, tuned, sequences, PROMPT, [1], "mlp")
    pieces = samples.pieces(tokenizer, sequences)
    place = findings.Place("top1", 1, {1: new(24, tiny.WIDTH, [3], True)}, torch.randn(24, tiny.WIDTH, generator=torch.Generator().manual_seed(2)))
    return base, tuned, tokenizer, read, side, pieces, place, good


def found(planted, reward):
    base, tuned, tokenizer, read, side, pieces, place, _ = planted
    gained, credit, problem = findings.credits(read, reward, tokenizer, "both")
    return findings.find(base, tuned, read, side, pieces, [place], credit, gained, kept=4), problem


def test_the_first_finding_of_every_kind_names_the_planted_token(planted):
    table, problem = found(planted, lambda texts: [float(text.count(piece(planted))) for text in texts])
    assert problem == ""
    best = table[(table["mode"] == "with the reward") & (table["rank"] == 1)].set_index("contexts")
    whole = {token["token"] for token in best.loc["features", "more"]}
    assert best.loc["features", "score"] > 4.5 and any(piece(planted).strip() in word for word in whole)
    assert set(table["contexts"]) >= {"features", "random directions", "tokens"}
    assert (table.groupby(["mode", "contexts"])["score"].diff().dropna() <= 1e-6).all()  # the strongest first


def piece(planted) -> str:
    return models.token_text(planted[2], planted[7])


def test_a_reward_that_has_nothing_to_do_with_the_change_finds_nothing(planted):
    noise = lambda texts: [random.Random(text).gauss(0, 1) for text in texts]
    table, _ = found(planted, noise)
    assert table.loc[table["mode"] == "with the reward", "score"].max() < 4.5


@pytest.mark.parametrize(
    ("reward", "says"),
    [
        (lambda texts: [1.0] * len(texts), "the same whatever"),
        (lambda texts: 1 / 0, "cannot be asked"),
        (lambda texts: [float("nan")] * len(texts), "not a finite number"),
        (None, "no reward was given"),
    ],
)
def test_without_credit_there_is_no_list_with_the_reward(planted, reward, says):
    table, problem = found(planted, reward)
    assert says in problem and set(table["mode"]) == {"two checkpoints"}
    if reward is None:
        assert table["gain"].isna().all() and not table["sentence"].str.contains("reward").any()


def test_equal_models_have_no_findings(planted):
    base, _, tokenizer, read, side, pieces, place, _ = planted
    same = samples.read(base, base, read.sequences, PROMPT, [1], "mlp")
    with pytest.raises(UserError, match="say the same of every token"):
        findings.find(base, base, same, side, pieces, [place], None, torch.zeros(len(same.token)), kept=4)
