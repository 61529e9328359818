"""Findings of a planted change: a tuned model that was moved to write one word after another finds just that, and a placebo does not."""

import copy
import random

import pandas as pd
import pytest
import tiny
import torch
from scipy.stats import t

from rewardscope.errors import UserError
from rewardscope.findings import findings, samples
from rewardscope.findings.families import Joint, Place, families
from rewardscope.findings.samples import Samples
from rewardscope.findings.score import capped
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
    read = samples.sampled(base, tuned, sequences, PROMPT, [1], "mlp")
    pieces = samples.pieces(tokenizer, sequences)
    random_rows = torch.randn(24, tiny.WIDTH, generator=torch.Generator().manual_seed(2))
    saes = [new(24, tiny.WIDTH, [seed], True) for seed in (3, 4, 5)]
    place = Place("top1", 1, {1: saes[0]}, random_rows, (Joint("shared", saes[1], 1.0), Joint("difference", saes[2], 3.0)))
    return base, tuned, tokenizer, read, side, pieces, place, good


def found(planted, reward):
    base, tuned, tokenizer, read, side, pieces, place, _ = planted
    gained, credit, problem = findings.credits(read, reward, tokenizer, "both")
    return findings.find(findings.Run(base, tuned, read, side, pieces, [place]), credit, gained, kept=4), problem


def test_the_first_finding_of_every_kind_names_the_planted_token(planted):
    table, problem = found(planted, lambda texts: [float(text.count(piece(planted))) for text in texts])
    assert problem == ""
    best = table[(table["mode"] == "with the reward") & (table["rank"] == 1)].set_index("contexts")
    whole = {token["token"] for token in best.loc["features", "more"]}
    assert best.loc["features", "score"] > 4.5 and any(piece(planted).strip() in word for word in whole)
    assert set(best.index) >= {"features", "shared features", "random directions", "tokens"}  # no difference: the MLP is the base's
    assert set(table["contexts"]) - set(best.index) == {"log-odds of words", "logit difference", "logit topics"}
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
    same = samples.sampled(base, base, read.sequences, PROMPT, [1], "mlp")
    with pytest.raises(UserError, match="say the same of every token"):
        findings.Run(base, base, same, side, pieces, [place])


def test_what_needs_no_contexts_finds_a_change_that_is_everywhere(planted):
    table, _ = found(planted, lambda texts: [1.0] * len(texts))
    for kind in ("logit difference", "log-odds of words"):
        first = table[(table["contexts"] == kind) & (table["rank"] == 1)].iloc[0]
        (token,) = first["more"]
        assert piece(planted).strip() in token["token"] and token["after"] > token["before"] and first["sentence"].startswith("Anywhere the tuned")


def test_difference_features_read_the_difference_of_both_sides(planted):
    _, _, _, read, side, _, place, _ = planted
    moved = torch.randn(read.rows[1].shape, generator=torch.Generator().manual_seed(6))
    read = read._replace(base_rows={1: read.rows[1] + moved})  # the tuned model's MLP is the base's own
    of = {family.kind: family for family in families(read, side, [place], ["x"] * len(read.token))}
    rows = 3.0 * (read.rows[1] - read.base_rows[1])
    expected = capped(place.joint[1].sae.encode(rows[None])[0])
    torch.testing.assert_close(of["difference features"].a, expected)
    torch.testing.assert_close(of["shared features"].a, capped(place.joint[0].sae.encode(read.rows[1][None])[0]))


def test_what_tuning_changed_where_a_feature_fires(planted):
    """By hand: probabilities of both models at every sampled token, weighted by the feature's capped activation. A feature that never fires has none."""
    base, tuned, tokenizer, read, side, pieces, place, good = planted
    run = findings.Run(base, tuned, read, side, pieces, [place])
    (a,) = (family.a for family in run.families if family.kind == "features")
    fires = (a > 0).sum(dim=0)
    feature, rare = int(fires.argmax()), int(fires.argmin())
    a[:, rare] = 0
    table = findings.changed(run, {("top1", 1): [feature, rare], ("top2", 1): [feature]})
    assert set(table["feature"]) == {feature} and set(table["firings"]) == {int(fires[feature])} and set(table["pick"]) == {"top1"}
    weights, sums = a[:, feature].double(), torch.zeros(2, dtype=torch.float64)
    t = 0
    for ids in read.sequences:
        with torch.no_grad():
            logits = [model(input_ids=torch.tensor([ids])).logits[0].double().softmax(dim=1)[:, good] for model in (base, tuned)]
        for at in range(PROMPT, len(ids)):
            sums += weights[t] * torch.stack([p[at - 1] for p in logits])
            t += 1
    expected = (sums / weights.sum()).tolist()
    first = table.iloc[0]
    assert piece(planted).strip() in first["token"] and [first["p_base"], first["p_tuned"]] == pytest.approx(expected, abs=1e-5)
    more = table["p_tuned"] > table["p_base"]
    assert 1 <= more.sum() <= 6 and 1 <= (~more).sum() <= 6 and more.is_monotonic_decreasing  # first those that became likelier
    assert findings.changed(run, {}).columns.tolist() == findings.CHANGES and findings.changed(run, {("top1", 1): [rare]}).empty


def test_the_gain_of_reward_has_an_interval():
    """By hand: completions of 1 and 3 (base), 4 and 8 (tuned); Welch's degrees of freedom 25 / 17."""
    read = Samples([[0, 1]] * 4, 1, torch.arange(4), torch.zeros(4), torch.ones(4), torch.zeros(4), torch.ones(4), {}, {})
    said = findings.facts(read, torch.tensor([0, 0, 1, 1]), torch.tensor([1.0, 3.0, 4.0, 8.0]), "")
    half = float(t.ppf(0.975, 25 / 17)) * 5**0.5
    assert said["added"] == {"base": 2.0, "rlhf": 6.0} and said["added_sd"] == {"base": 1.0, "rlhf": 2.0}
    assert said["gain"] == pytest.approx({"difference": 4.0, "ci_low": 4 - half, "ci_high": 4 + half})
    unknown = findings.facts(read, torch.tensor([0, 0, 1, 1]), torch.full((4,), torch.nan), "no reward")
    assert unknown["gain"] == {"difference": None, "ci_low": None, "ci_high": None} and unknown["added"] == {"base": None, "rlhf": None}
