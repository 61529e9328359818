"""A classifier trained here, and others' taken over: what is learned, what is refused, as the line that a user reads."""

import json
import re
import subprocess
import sys
from pathlib import Path

import fake_hub
import numpy as np
import pandas as pd
import pytest
import tiny
import tiny_classifier
import torch
from safetensors.torch import load_file, save_file
from transformers import DistilBertConfig, DistilBertForSequenceClassification, DistilBertModel

from rewardscope.checksums import checksum
from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.rewards import accuracy, classifier, logits

CPU = torch.device("cpu")
SETTINGS = {
    "corpus": "c", "layers": 1, "d_model": 16, "heads": 2, "vocabulary": 120, "tokens": 24, "batch": 16, "steps": 120, "learning_rate": 0.01,
}  # fmt: skip


def labelled(count: int, seed: int = 5) -> pd.DataFrame:
    """Documents of 20 to 40 words of which five tell the label."""
    rng = np.random.default_rng(seed)
    plain = [word for word in tiny.WORDS if word not in ("good", "great", "lovely", "bad", "terrible", "dull")]
    signs = [["bad", "terrible", "dull"], ["good", "great", "lovely"]]
    rows = []
    for i in range(count):
        words = [*rng.choice(plain, rng.integers(15, 36)), *rng.choice(signs[i % 2], 5)]
        rows.append({"text": " ".join(rng.permutation(words)).capitalize() + ".", "label": i % 2})
    return pd.DataFrame(rows)


def complaint(entry: dict, folder: Path, record: Path | None = None) -> str:
    """What `fetch` says; it must leave nothing behind."""
    with pytest.raises(UserError) as caught:
        classifier.fetch({"hub": None, "revision": None, "path": None, "positive": None, **entry}, folder / "ours", record)
    assert "\n" not in str(caught.value) and not (folder / "ours").exists()
    return str(caught.value)


def fetch(entry: dict, folder: Path, record: Path | None = None) -> dict:
    return classifier.fetch({"hub": None, "revision": None, "path": None, "positive": None, **entry}, folder, record)


# ---- training --------------------------------------------------------------------------------
def test_training_tells_good_from_bad(tmp_path):
    """On unseen documents, cut to few tokens too; the stored classifier rewards the good ones."""
    known, unseen = labelled(300), labelled(200, seed=6)
    model, tokenizer = classifier.train(known["text"].tolist(), known["label"].tolist(), SETTINGS, 1, CPU)
    assert type(model).__name__ == "DistilBertForSequenceClassification" and model.config.id2label == {0: "NEGATIVE", 1: "POSITIVE"}
    result = accuracy.measure(model, tokenizer, 1, unseen, 10)
    assert result["accuracy"] > 0.95 and result["prefix_accuracy"] > 0.8
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path)
    reward = logits.reward(tmp_path, None)
    good, bad = reward(["A good film, lovely.", "A dull film, terrible."])
    assert good > 0 > bad
    assert reward(["A GOOD film, lovely."]) == pytest.approx([good], abs=1e-5)  # lower case, as DistilBERT's


def test_training_repeats():
    known = labelled(60)
    one, other = (classifier.train(known["text"].tolist(), known["label"].tolist(), {**SETTINGS, "steps": 4}, 1, CPU)[0] for _ in range(2))
    third = classifier.train(known["text"].tolist(), known["label"].tolist(), {**SETTINGS, "steps": 4}, 2, CPU)[0]
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.classifier.weight, third.classifier.weight)


def test_the_tokenizer_is_the_same_in_every_process():
    """The trainer's hash maps differ from process to process."""
    code = "import json, tiny; from rewardscope.rewards.classifier import train_tokenizer; print(json.dumps(train_tokenizer(list(tiny.texts()), 90, 32).get_vocab()))"
    said = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True).stdout
    assert json.loads(said.splitlines()[-1]) == classifier.train_tokenizer(list(tiny.texts()), 90, 32).get_vocab()


def test_tokenizer(tmp_path):
    tokenizer = classifier.train_tokenizer(list(tiny.texts()), 90, 32)
    assert len(tokenizer) == 90 and sorted(tokenizer.get_vocab().values()) == list(range(90)) and tokenizer.model_max_length == 32
    ids = tokenizer("The FILM ##a is \N{SNOWMAN}")["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens(ids)
    assert tokens[0] == "[CLS]" and tokens[-1] == "[SEP]" and tokens[-2] == "[UNK]"
    assert "##a" not in tokens  # a piece of a word, not a token that a text could spell
    tokenizer.save_pretrained(tmp_path)
    DistilBertConfig().save_pretrained(tmp_path)
    assert models.load_tokenizer(tmp_path)("The FILM ##a is \N{SNOWMAN}")["input_ids"] == ids


def test_cut():
    document, rng = list(range(100)), np.random.default_rng(1)
    cuts = [classifier.cut(document, 40, rng) for _ in range(2000)]
    assert all(piece == document[piece[0] : piece[0] + len(piece)] for piece in cuts)
    whole = [piece for piece in cuts if piece == document[:40]]
    assert 0.45 < len(whole) / len(cuts) < 0.55
    windows = [piece for piece in cuts if piece != document[:40]]
    assert {len(piece) for piece in windows} == set(range(8, 41))
    assert {piece[-1] for piece in windows} >= {99} and {piece[0] for piece in windows} >= {0, 50}
    assert {len(classifier.cut(document[:5], 40, rng)) for _ in range(50)} == {5}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (None, "has no labels"),
        ([1, 1, 1], "has the labels 1"),
        ([0, 1, 2], "has the labels 0, 1, 2"),
        ([-1, -1, -1], "has the labels -1"),
    ],
)
def test_labels(labels, said):
    corpus = pd.DataFrame({"text": ["a", "b", "c"]} | ({"label": labels} if labels else {}))
    with pytest.raises(UserError) as caught:
        classifier.labels_of(corpus, "mine")
    assert str(caught.value) == f"corpus mine {said}; a classifier is trained on 0 (negative) and 1 (positive): name their column with label:"
    assert classifier.labels_of(pd.DataFrame({"text": ["a", "b"], "label": [1, 0]}), "mine") == [1, 0]


# ---- others' classifiers ---------------------------------------------------------------------
def test_folder(tmp_path):
    theirs = tiny_classifier.save(tmp_path / "theirs")
    source = fetch({"path": str(theirs)}, tmp_path / "ours")
    assert source == {
        "path": str(theirs), "architecture": "DistilBertForSequenceClassification", "positive": "POSITIVE",
        "sha256": {"model.safetensors": checksum(theirs / "model.safetensors")},
    }  # fmt: skip
    texts = list(tiny.texts())
    assert logits.reward(tmp_path / "ours", None)(texts) == logits.reward(theirs, None)(texts)
    assert {file.suffix for file in (tmp_path / "ours").iterdir()} <= {".json", ".safetensors", ".txt"}


def test_labels_that_do_not_tell(tmp_path):
    theirs = tiny_classifier.save(tmp_path / "theirs", ("LABEL_0", "LABEL_1"))
    assert complaint({"path": str(theirs)}, tmp_path) == (
        f"{theirs}: its labels are LABEL_0, LABEL_1, which does not tell the positive one; "
        "name one of them in the classifier's key positive, as in positive: LABEL_1"
    )
    assert fetch({"path": str(theirs), "positive": "LABEL_0"}, tmp_path / "ours")["positive"] == "LABEL_0"


def test_not_a_classifier(tmp_path):
    theirs = tmp_path / "theirs"
    encoder = DistilBertModel(DistilBertConfig(**tiny_classifier.SHAPE))
    tiny_classifier.save(theirs, model=encoder)
    wanted = "not a sequence classifier (DistilBertForSequenceClassification); use a checkpoint that was trained to classify texts"
    assert complaint({"path": str(theirs)}, tmp_path) == f"{theirs}: it is a DistilBertModel, {wanted}"
    config = json.loads((theirs / "config.json").read_text())
    (theirs / "config.json").write_text(json.dumps({**config, "architectures": None, "id2label": {"0": "neg", "1": "pos"}}))
    said = complaint({"path": str(theirs)}, tmp_path)
    assert re.search(r": 4 tensors of DistilBertForSequenceClassification are not in its weights, classifier.bias first; use a whole", said)
    assert complaint({"path": str(tiny.checkpoint("llama"))}, tmp_path).startswith(
        f"{tiny.checkpoint('llama')}: it is a LlamaForCausalLM, not a sequence classifier (LlamaForSequenceClassification); "
    )


def test_pickled_weights(tmp_path):
    theirs = tiny_classifier.save(tmp_path / "theirs")
    torch.save(load_file(theirs / "model.safetensors"), theirs / "pytorch_model.bin")
    (theirs / "model.safetensors").unlink()
    said = complaint({"path": str(theirs)}, tmp_path)
    assert (
        "no *.safetensors; pickled weights (.bin, .pt) can run code" in said and "AutoModelForSequenceClassification.from_pretrained(folder)" in said
    )


def test_a_head_of_another_size(tmp_path):
    theirs = tiny_classifier.save(tmp_path / "theirs")
    tensors = load_file(theirs / "model.safetensors")
    save_file({**tensors, "classifier.weight": torch.zeros(3, 16)}, theirs / "model.safetensors", {"format": "pt"})
    assert complaint({"path": str(theirs)}, tmp_path).startswith(f"{theirs}: the weights cannot be loaded (")


def test_what_batches_would_break(tmp_path, monkeypatch):
    """A model that sees the padding beside a text, one that fails on it, one that says no number."""
    theirs = tiny_classifier.save(tmp_path / "theirs")
    forward = DistilBertForSequenceClassification.forward

    def spoilt(change):
        def spoil(self, input_ids, **others):
            out = forward(self, input_ids=input_ids, **others)
            out.logits = change(out.logits, input_ids.shape)
            return out

        monkeypatch.setattr(DistilBertForSequenceClassification, "forward", spoil)
        return complaint({"path": str(theirs)}, tmp_path)

    assert spoilt(lambda values, shape: values + shape[1]) == f"{theirs}: a text's logits change with the texts beside it; see its pad_token_id"
    said = spoilt(lambda values, shape: values / (shape[0] == 1 or None))
    assert said.startswith(f"{theirs}: it cannot score a batch of short and long texts (") and said.endswith(
        "); see its pad_token_id and its tokenizer's model_max_length"
    )
    said = f"{theirs}: its logits of 'good' and other texts are not finite numbers; its weights are damaged: copy it again"
    assert spoilt(lambda values, shape: values * float("nan")) == said


def test_positions_beyond_the_model_s(tmp_path):
    """A tokenizer that lets more through than the model has positions for is held to the model's length."""
    theirs = tiny_classifier.save(tmp_path / "theirs")
    config = json.loads((theirs / "tokenizer_config.json").read_text())
    (theirs / "tokenizer_config.json").write_text(json.dumps({**config, "model_max_length": 512}))
    fetch({"path": str(theirs)}, tmp_path / "ours")


# ---- the hub ---------------------------------------------------------------------------------
def test_hub(tmp_path, monkeypatch):
    theirs = tiny_classifier.save(tmp_path / "theirs")
    record = tmp_path / "source.json"
    fake_hub.lay_out(tmp_path / "hub", "model", "org/judge", fake_hub.FIRST, fake_hub.contents(theirs))
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    source = fetch({"hub": "org/judge"}, tmp_path / "first", record)
    assert (source["hub"], source["commit"], source["positive"]) == ("org/judge", fake_hub.FIRST, "POSITIVE")
    record.write_text(json.dumps(source))
    other = tiny_classifier.save(tmp_path / "other", ("POSITIVE", "NEGATIVE"))
    fake_hub.lay_out(tmp_path / "hub", "model", "org/judge", fake_hub.SECOND, fake_hub.contents(other))
    assert complaint({"hub": "org/judge"}, tmp_path, record).startswith(
        f"org/judge at main was commit {fake_hub.FIRST} and is now {fake_hub.SECOND}; "
    )
    assert fetch({"hub": "org/judge", "revision": fake_hub.FIRST}, tmp_path / "pinned", record)["commit"] == fake_hub.FIRST


def test_download_asks_for_weights_last(tmp_path, monkeypatch):
    files = fake_hub.contents(tiny_classifier.save(tmp_path / "theirs", model=DistilBertModel(DistilBertConfig(**tiny_classifier.SHAPE))))
    with fake_hub.serve("org/judge", {"main": fake_hub.FIRST}, {fake_hub.FIRST: {**files, "pytorch_model.bin": b"\x80"}}) as (address, sent):
        fake_hub.connect(monkeypatch, tmp_path / "hub", address)
        assert "it is a DistilBertModel, not a sequence classifier" in complaint({"hub": "org/judge"}, tmp_path)
        assert "config.json" in sent and not {"model.safetensors", "pytorch_model.bin"} & set(sent)
