"""The reward of a classifier: which logit, in batches, cut to length, the same every time."""

import pytest
import tiny
import tiny_classifier
import torch

from rewardscope.errors import UserError
from rewardscope.rewards import classifier, logits, rewards

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


# ---- decoders: their tokenizers make no token of an empty text, and they read the last token that is no padding ----
PADDED = {  # what a decoder's makers leave: the model's pad_token_id, what its tokenizer says
    "its own": (1, {}),
    "the end of text": (0, {"pad_token": "<|endoftext|>"}),
    "none": (None, {"pad_token": None}),
    "of the tokenizer alone": (None, {}),
    "of the model alone": (1, {"pad_token": None}),
    "another one": (1, {"pad_token": "<|endoftext|>"}),
    "on the left": (1, {"padding_side": "left"}),
    "no such row": (-1, {"pad_token": None}),
}


def one_by_one(folder, texts: list[str]) -> torch.Tensor:
    """A decoder's logits at the last token of each text, from its backbone and head; an empty text is the end-of-text token."""
    model, tokenizer, rows = logits.load(folder), tiny.tokenizer(), []
    for text in texts:
        ids = tokenizer(text)["input_ids"][:64] or [0]
        with torch.no_grad():
            rows.append(model.score(model.base_model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1]))
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("kind", "padded"),
    [
        *((kind, padded) for kind in tiny_classifier.DECODERS for padded in ("its own", "none")),
        *(("gpt2", padded) for padded in list(PADDED)[1:] if padded != "none"),
    ],
)
def test_a_decoder_s_batches_are_its_single_texts(tmp_path, kind, padded):
    pad, said = PADDED[padded]
    theirs = tiny_classifier.decoder(kind, tmp_path / "theirs", pad, **said)
    source = classifier.fetch({"path": str(theirs), "positive": None}, tmp_path / "ours")
    assert source["positive"] == "pos"
    texts = ["", "good", " ", *tiny.texts(6), "bad " * 200]
    given = logits.reward(tmp_path / "ours", None)(texts)
    assert given == pytest.approx(one_by_one(theirs, texts)[:, 1].tolist(), abs=1e-4)
    assert len({round(value, 3) for value in given}) == len(texts)


def test_a_tokenizer_that_has_nothing_for_an_empty_text(tmp_path):
    nothing = dict.fromkeys(["bos_token", "eos_token", "unk_token", "pad_token"])
    theirs = tiny_classifier.decoder("gpt2", tmp_path / "theirs", None, **nothing)
    with pytest.raises(UserError) as caught:
        classifier.fetch({"path": str(theirs), "positive": None}, tmp_path / "ours")
    assert str(caught.value) == (
        f"{theirs}: its tokenizer makes no token of an empty text, and has no bos_token, eos_token or pad_token to stand for one; name one of them"
    )
