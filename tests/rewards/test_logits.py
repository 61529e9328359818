"""The reward of a classifier: which logit, in batches, cut to length, the same every time."""

import pytest
import tiny
import tiny_classifier
import torch

from rewardscope.errors import UserError
from rewardscope.rewards import logits, rewards

TEXTS = ["", "good", "The film is great.", *tiny.texts(), "bad " * 200]


def by_hand(folder, texts: list[str]) -> torch.Tensor:
    """Logits of the classifier in a folder, without batches, padding and truncation by the tokenizer."""
    model, tokenizer = logits.load(folder), tiny_classifier.tokenizer()
    rows = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"][: tiny_classifier.LENGTH - 2]
        with torch.no_grad():
            rows.append(model(input_ids=torch.tensor([[tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]])).logits)
    return torch.cat(rows)


@pytest.mark.parametrize(
    ("labels", "positive", "index"),
    [
        (("NEGATIVE", "POSITIVE"), None, 1),
        (("POSITIVE", "NEGATIVE"), None, 0),  # position tells nothing
        (("neg", "pos"), None, 1),
        (("Positive", "Neutral", "Negative"), None, 0),
        (("LABEL_0", "LABEL_1"), "LABEL_1", 1),
        (("LABEL_0", "LABEL_1"), "label_0", 0),
        (("1 star", "2 stars", "5 stars"), "5 stars", 2),
        (("NEGATIVE", "POSITIVE"), "NEGATIVE", 0),  # whoever wants gloom
        (("score",), "score", 0),  # a reward model of one output
    ],
)
def test_the_positive_label_s_logit(tmp_path, labels, positive, index):
    """Batched and padded as one by one, with every kind of label."""
    tiny_classifier.save(tmp_path, labels)
    entry = {"words": None, "function": None, "classifier": {"positive": positive}}
    given = rewards.load(entry, tmp_path)(TEXTS)
    assert given == pytest.approx(by_hand(tmp_path, TEXTS)[:, index].tolist(), abs=1e-5)
    assert len({round(value, 3) for value in given}) > 40  # texts differ: the test can fail


@pytest.mark.parametrize(
    ("labels", "positive", "said"),
    [
        (("LABEL_0", "LABEL_1"), None, "LABEL_0, LABEL_1, which does not tell the positive one; name one of them in the classifier's key positive, as in positive: LABEL_1"),
        (("toxic", "severe", "threat"), None, "toxic, severe, threat, which does not tell the positive one; name one of them in the classifier's key positive, as in positive: threat"),
        (("pos", "neg", "positive"), None, "pos, neg, positive, which does not tell the positive one; name one of them in the classifier's key positive, as in positive: positive"),
        (("NEGATIVE", "POSITIVE"), "LABEL_1", "NEGATIVE, POSITIVE, and positive is LABEL_1; name one of them in the classifier's key positive, as in positive: POSITIVE"),
    ],
)  # fmt: skip
def test_which_label_is_positive_must_be_clear(labels, positive, said):
    with pytest.raises(UserError) as caught:
        logits.positive_label(tiny_classifier.build(labels), positive, "org/judge")
    assert str(caught.value) == f"org/judge: its labels are {said}"


def test_deterministic(tmp_path):
    """Dropout is off, no random number is drawn, and the order of the texts is kept."""
    reward = logits.reward(tiny_classifier.save(tmp_path), None)
    state = torch.get_rng_state()
    first = reward(TEXTS)
    assert reward(TEXTS) == first and torch.equal(torch.get_rng_state(), state)
    assert reward(TEXTS[::-1])[::-1] == pytest.approx(first, abs=1e-5)


def test_truncation(tmp_path):
    """What lies beyond the model's length has no effect; what lies within has."""
    reward = logits.reward(tiny_classifier.save(tmp_path), None)
    start = "good " * (tiny_classifier.LENGTH - 2)
    same, longer, earlier = reward([start, start + "terrible dull", "terrible " + start])
    assert same == pytest.approx(longer, abs=1e-6) and abs(same - earlier) > 1e-3


def test_length(tmp_path):
    model, tokenizer = logits.load(tiny_classifier.save(tmp_path)), tiny_classifier.tokenizer()
    assert logits.longest(model, tokenizer) == tiny_classifier.LENGTH
    short = logits.logits(["a b t o"], model, tokenizer, length=4)  # a letter is a token
    assert torch.allclose(short, by_hand(tmp_path, ["a b"]), atol=1e-5)
