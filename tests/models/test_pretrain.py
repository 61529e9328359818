"""The base model: its tokenizer, its token stream, and a training run at tiny size."""

import copy
import logging
import math
import random
import re

import pytest
import tiny
import torch
from safetensors.torch import load_file
from tokenizers.pre_tokenizers import ByteLevel

from rewardscope.data.pieces import LONGEST, short_words
from rewardscope.errors import UserError
from rewardscope.models import checkpoints, models
from rewardscope.models import pretrain as pretraining
from rewardscope.models.pretrain import pretrain, stream, train_tokenizer
from rewardscope.rewards import classifier
from rewardscope.rewards.classifier import train_tokenizer as train_wordpiece

SETTINGS = {
    "layers": 2, "d_model": 16, "heads": 2, "vocabulary": 300, "context": 32, "tokens": 16, "batch": 8, "steps": 60,
    "learning_rate": 0.02,
}  # fmt: skip


@pytest.mark.parametrize("vocabulary", [280, 300, 340])
def test_tokenizer_has_its_size(vocabulary):
    tokenizer = train_tokenizer(list(tiny.texts()), vocabulary)
    assert len(tokenizer) == vocabulary
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (0, 1)
    assert sorted(tokenizer.all_special_ids) == [0, 1]
    assert sorted(tokenizer.get_vocab().values()) == list(range(vocabulary))


@pytest.mark.parametrize("text", ["A well-made film!", " leading  and   inner\n\nspace ", "naïve \N{RIGHT SINGLE QUOTATION MARK} 映画 🙂", ""])
def test_text_survives_the_tokenizer(tmp_path, text):
    tiny.tokenizer().save_pretrained(tmp_path)
    for tokenizer in (tiny.tokenizer(), models.load_tokenizer(tmp_path)):
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
        assert not set(ids) & {0, 1}  # nothing is added
    assert models.load_tokenizer(tmp_path)(text)["input_ids"] == tiny.tokenizer()(text)["input_ids"]


def test_frequent_words_become_tokens():
    tokenizer = train_tokenizer(["the film the film the film"] * 9, 280)
    assert [tokenizer.decode([i]) for i in tokenizer(" the film the")["input_ids"]] == [" the", " film", " the"]


def test_stream():
    tokenizer = tiny.tokenizer()
    a, b = tokenizer("the film")["input_ids"], tokenizer("bad")["input_ids"]
    tokens = stream(tokenizer, ["the film", "", "bad"])
    assert tokens.tolist() == [*a, 0, 0, *b, 0]
    assert tokens.dtype == torch.int64


def test_stream_without_an_end_token():
    """BOS stands between documents where there is no EOS; nothing where there is neither."""
    tokenizer = copy.deepcopy(tiny.tokenizer())
    a, b = tokenizer("the film")["input_ids"], tokenizer("bad")["input_ids"]
    tokenizer.eos_token, tokenizer.bos_token = None, "<|padding|>"
    assert stream(tokenizer, ["the film", "bad"]).tolist() == [*a, 1, *b, 1]
    tokenizer.bos_token = None
    assert stream(tokenizer, ["the film", "bad"]).tolist() == [*a, *b]


# ---- words without an end ----------------------------------------------------------------------
ENDLESS = "ab" * 1700


@pytest.mark.parametrize(("word", "before"), [(ENDLESS, " "), (" " * 3000, ","), ("\N{CJK UNIFIED IDEOGRAPH-6620}" * 3000, ","), ("!?" * 900, "")])
def test_words_without_an_end_are_cut(word, before):
    """And nothing else: what stands around them is whole, and so is every text without one."""
    text = f"A  lovely film{before}{word}\n\nthe film"
    cut = list(short_words([text], ByteLevel(add_prefix_space=False)))
    assert "".join(cut) == text and cut[0] == "A  lovely film" + before.strip() and cut[-1].endswith("\n\nthe film")
    assert all(len(piece) == LONGEST for piece in cut[1:-1]) and len(cut) > 2 and len(cut[-1]) <= LONGEST + 10


def test_other_texts_are_left_whole():
    """Many words without a space between them are no long one, a word of the greatest length is none either."""
    texts = [*tiny.texts(), "", "film," * 900, " " + "a" * (LONGEST - 1), "the " * 2000, "a" * LONGEST]
    assert list(short_words(texts, ByteLevel(add_prefix_space=False))) == texts


def test_both_trainers_cut_words():
    """From "abab..." they would else learn tokens of 2048 letters, in time that grows with the square of the word."""
    for tokenizer in (train_tokenizer([ENDLESS, *tiny.texts()], 320), train_wordpiece([ENDLESS, *tiny.texts()], 200, 64)):
        assert 64 < max(map(len, tokenizer.get_vocab())) <= LONGEST


@pytest.mark.parametrize(
    ("module", "train"), [(pretraining, lambda texts: train_tokenizer(texts, 320)), (classifier, lambda texts: train_wordpiece(texts, 200, 64))]
)
def test_training_on_text_without_a_space_takes_time_in_proportion(module, train, monkeypatch):
    """What the trainers are given has no word longer than LONGEST, whose square is all that they take: three times the text, three times the words."""
    passed: list[int] = []

    def seen(texts, split):
        for text in short_words(texts, split):
            passed.extend(end - begin for _, (begin, end) in split.pre_tokenize_str(text))
            yield text

    monkeypatch.setattr(module, "short_words", seen)
    letters, words = random.Random(1), []
    for size in (100_000, 300_000):
        train(["".join(letters.choices("abcdefgh", k=size))])
        assert max(passed) <= LONGEST and sum(passed) == size
        words.append(len(passed))
        passed.clear()
    assert words[1] == pytest.approx(3 * words[0], rel=0.01)


def loss(model, tokens: torch.Tensor) -> float:
    window = tokens[: 16 * (len(tokens) // 16)].view(-1, 16)
    with torch.no_grad():
        return model(input_ids=window, labels=window).loss.item()


def test_pretrain(tmp_path, caplog):
    texts = list(tiny.texts())
    with caplog.at_level(logging.INFO, "rewardscope"):
        model, tokenizer = pretrain(texts, SETTINGS, 1, "cpu")
    logged = [float(found[1]) for record in caplog.records if (found := re.fullmatch(r"step \d+: loss (.*)", record.getMessage()))]
    assert logged[0] == pytest.approx(math.log(300), abs=0.2)  # knows nothing yet
    assert logged[-1] < 4.0
    # as well as that on the whole stream, in evaluation mode
    assert loss(model, stream(tokenizer, texts)) < 4.0
    assert not model.training
    assert len(tokenizer) == 300 and model.config.vocab_size == 300
    assert (len(models.blocks(model)), models.d_model(model)) == (2, 16)
    assert model.config.max_position_embeddings == 32 and model.config.intermediate_size == 64

    again, _ = pretrain(texts, SETTINGS, 1, "cpu")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    other, _ = pretrain(texts, {**SETTINGS, "steps": 2}, 2, "cpu")
    first, _ = pretrain(texts, {**SETTINGS, "steps": 2}, 1, "cpu")
    assert not torch.equal(other.lm_head.weight, first.lm_head.weight)

    checkpoints.save(model, tokenizer, tmp_path / "model")
    loaded, ids = models.load(tmp_path / "model"), torch.tensor([tokenizer("the film was good")["input_ids"]])
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=ids).logits, model(input_ids=ids).logits)
    assert models.load_tokenizer(tmp_path / "model")("the film was good")["input_ids"] == ids[0].tolist()
    assert {tensor.dtype for tensor in load_file(tmp_path / "model" / "model.safetensors").values()} == {torch.float32}


def test_too_small_a_corpus():
    with pytest.raises(UserError, match="^the corpus has 4 tokens, fewer than one training sequence of 17$"):
        pretrain(["abc"], {**SETTINGS, "vocabulary": 258}, 1, "cpu")


def test_source(tmp_path):
    checkpoints.save_source({"b": 1, "a": "x"}, tmp_path / "source.json")
    assert (tmp_path / "source.json").read_text() == '{\n "a": "x",\n "b": 1\n}\n'


class Killed(Exception):
    pass


def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    """Killed in step 14 of 20, states after steps 4, 8, 12: the rest begins with step 13."""
    texts, settings = list(tiny.texts()), SETTINGS | {"steps": 20}
    whole, _ = pretrain(texts, settings, 1, "cpu")
    monkeypatch.setattr(pretraining, "SEGMENT", 4)
    drawn, randint = [], torch.randint

    def dies(*arguments, **keys):
        if len(drawn) == 13:
            raise Killed
        drawn.append(1)
        return randint(*arguments, **keys)

    monkeypatch.setattr(torch, "randint", dies)
    with pytest.raises(Killed):
        pretrain(texts, settings, 1, "cpu", tmp_path)
    drawn.clear()
    again, _ = pretrain(texts, settings, 1, "cpu", tmp_path)
    assert len(drawn) == 8  # steps 13 to 20
    assert all(torch.equal(p, q) for p, q in zip(whole.parameters(), again.parameters(), strict=True))
