"""What needs no contexts, by hand and against the models' own logits."""

import math

import pytest
import tiny
import torch

from rewardscope.findings import baselines, samples

PROMPT = 2


@pytest.fixture(scope="module")
def read():
    base, tuned = tiny.build("gpt_neox").eval(), tiny.build("gpt_neox", seed=4).eval()
    generator = torch.Generator().manual_seed(0)
    sequences = [torch.randint(2, tiny.VOCABULARY, (PROMPT + n,), generator=generator).tolist() for n in (4, 1, 6) * 30]  # three batches
    return base, tuned, samples.sampled(base, tuned, sequences, PROMPT, [1], "mlp")


def test_log_odds_by_hand():
    words = [["a"] * 6 + ["b"] * 4, ["a"] * 2 + ["b"] * 8]  # base, tuned
    (found,) = baselines.log_odds(words, torch.tensor([0, 1]), kept=5)  # "a" became rarer
    prior = 500 * 12 / 20
    odds = [math.log((n + prior) / (10 + 500 - n - prior)) for n in (4, 8)]
    z = (odds[1] - odds[0]) / math.sqrt(1 / (4 + prior) + 1 / (8 + prior))
    assert found[:3] == ("b", 0.4, 0.8) and found.count == 12 and found.score == pytest.approx(z)
    assert baselines.log_odds([["a"], []], torch.tensor([0, 1]), kept=5) == []


@torch.no_grad()
def test_the_mean_logit_difference_is_that_of_the_models_alone(read):
    base, tuned, found = read
    means, before, after = [], [], []
    for row in found.sequences:
        logs = [model(input_ids=torch.tensor([row])).logits[0, PROMPT - 1 : -1].double().log_softmax(dim=1) for model in (base, tuned)]
        means.append((logs[1] - logs[0]).mean(dim=0))
        before.append(logs[0].exp())
        after.append(logs[1].exp())
    means = torch.stack(means)
    score = means.mean(dim=0) / (means.std(dim=0) / math.sqrt(len(means)))
    rose = torch.cat(after).mean(dim=0) > torch.cat(before).mean(dim=0)
    assert ((score > 0) & ~rose).any()  # a higher log-probability on average is not always a higher probability
    score = score.where(rose, 0.0)
    whole = {token: f"w{token}" for token in range(tiny.VOCABULARY)}
    said = baselines.logit_difference(base, tuned, found, whole, kept=3)
    best = score.topk(3)
    assert [one.word for one in said] == [f"w{token}" for token in best.indices.tolist()]
    assert [one.score for one in said] == pytest.approx(best.values.tolist(), rel=1e-3)
    every = baselines.logit_difference(base, tuned, found, whole, kept=tiny.VOCABULARY)
    assert len(every) == (score > 0).sum() and all(one.after > one.before for one in every)
    assert said[0].before == pytest.approx(torch.cat(before)[:, best.indices[0]].mean().item(), rel=1e-3)
    assert [one.word for one in baselines.logit_difference(base, tuned, found, {int(best.indices[1]): "it"}, kept=3)] == ["it"]


def test_topics_part_what_is_raised_in_two_places(read, monkeypatch):
    """Half of the tokens raise one pair of words, the other half another: two parts, each on its half."""
    _, _, found = read
    rows, half = len(found.token), len(found.token) // 2
    flat = torch.full((rows, tiny.VOCABULARY), 1 / tiny.VOCABULARY).log()
    raised = flat.clone()
    raised[:half, [3, 4]] += 2.0
    raised[half:, [8, 9]] += 3.0
    monkeypatch.setattr(baselines, "log_probabilities", lambda *_: [(None, None, (flat, raised))])
    w = baselines.topics(None, None, found, 2, floor=1e-6)
    first, second = (w[:half].mean(dim=0), w[half:].mean(dim=0))
    one, other = first.argmax(), second.argmax()
    assert one != other and first[other] < 0.01 * first[one] and second[one] < 0.01 * second[other]
    assert first[one] == pytest.approx(4.0, rel=0.02) and second[other] == pytest.approx(6.0, rel=0.02)  # the sums of what is raised
    unlikely = baselines.topics(None, None, found, 2, floor=0.9)
    assert unlikely.max() < 1e-3
