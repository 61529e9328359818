"""Accuracy of a classifier, counted by hand."""

import math

import pandas as pd
import pytest
import tiny
import tiny_classifier

from rewardscope.rewards import accuracy, logits


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval of Wilson (1927) from its formula."""
    p = right / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


@pytest.mark.parametrize("labels", [("NEGATIVE", "POSITIVE"), ("POSITIVE", "NEGATIVE"), ("neg", "neutral", "pos"), ("pos",)])
def test_accuracy(labels):
    model, tokenizer, texts = tiny_classifier.build(labels), tiny_classifier.tokenizer(), list(tiny.texts())
    label = logits.positive_label(model, None, "")
    said = [logits.logits([text], model, tokenizer)[0] for text in texts]
    truth = [row[label] > 0 if len(row) == 1 else row.argmax().item() == label for row in said]
    assert 0 < sum(truth) < len(truth)
    wrong = 7
    frame = pd.DataFrame({"text": texts, "label": [int(t) ^ (i < wrong) for i, t in enumerate(truth)]})
    result = accuracy.measure(model, tokenizer, label, frame, 5)
    assert result["documents"] == 60 and result["accuracy"] == pytest.approx(53 / 60)
    assert (result["ci_low"], result["ci_high"]) == pytest.approx(wilson(53, 60), abs=1e-6)
    values = [row[label].item() for row in said]
    mean = sum(values) / 60
    assert result["reward_mean"] == pytest.approx(mean, abs=1e-4)
    assert result["reward_sd"] == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / 60), abs=1e-4)


def test_prefix_is_counted_in_tokens_of_text():
    model, tokenizer = tiny_classifier.build(("neg", "pos")), tiny_classifier.tokenizer()
    frame = pd.DataFrame({"text": ["a b t o", "t o a n"], "label": [0, 1]})
    short = frame.assign(text=["a b", "t o"])  # a letter is a token
    cut, whole = accuracy.measure(model, tokenizer, 1, frame, 2), accuracy.measure(model, tokenizer, 1, short, 2)
    assert cut["prefix_reward_mean"] == pytest.approx(whole["reward_mean"], abs=1e-5)
    assert cut["reward_mean"] != pytest.approx(whole["reward_mean"], abs=1e-3)


@pytest.mark.parametrize("labels", [None, [0, 1, 2], [-1, -1, -1]])
def test_without_labels_only_the_reward_is_measured(labels):
    frame = pd.DataFrame({"text": list(tiny.texts())[:3]} | ({"label": labels} if labels else {}))
    result = accuracy.measure(tiny_classifier.build(("neg", "pos")), tiny_classifier.tokenizer(), 1, frame, 5)
    assert result["accuracy"] is result["prefix_ci_low"] is None and result["reward_sd"] > 0
