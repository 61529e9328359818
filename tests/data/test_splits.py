"""Splits of a data set of the hub in the forms that preferences are published in: texts, and lists of messages."""

import json

import fake_hub
import pandas as pd
import pytest

from rewardscope.data import rows, splits
from rewardscope.errors import UserError

TEXTS = [{"prompt": f"the film {i} was", "chosen": " lovely", "rejected": " dull", "score": i} for i in range(3)]
ASKED = {"role": "user", "content": "film?"}
MESSAGES = [{"prompt": "film?", **{key: [ASKED, {"role": "assistant", "content": text}] for key, text in (("chosen", "good"), ("rejected", "bad"))}}]


def lines(pairs: list[dict]) -> bytes:
    return "".join(json.dumps(pair) + "\n" for pair in pairs).encode()


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A function that puts files into the cache as org/pairs; there is no network."""
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    return lambda files, commit=fake_hub.FIRST, ref="main": fake_hub.lay_out(tmp_path / "hub", "dataset", "org/pairs", commit, files, ref)


def read(*columns: str, split: str = "train", revision: str | None = None, record=None) -> tuple[list[dict], dict]:
    pick = lambda names, where: rows.wanted(names, list(columns), where, "; the key names them")
    tables, source = splits.read("org/pairs", revision, (split,), pick, "give a file", record, "name another, or ")
    assert list(tables) == [split] and tables[split][0] == f"data set org/pairs, split {split}"
    return tables[split][1].to_pylist(), source


def complaint(*arguments, **keys) -> str:
    with pytest.raises(UserError) as caught:
        read(*arguments, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_texts_of_one_split(published):
    published({"data/train-00000-of-00001.jsonl": lines(TEXTS), "data/test-00000-of-00001.jsonl": lines(TEXTS[:1])})
    found, source = read("prompt", "chosen", "rejected")
    assert found == [{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in TEXTS]  # and no score
    assert source == {"hub": "org/pairs", "revision": None, "commit": fake_hub.FIRST}
    assert read("chosen", split="test")[0] == [{"chosen": " lovely"}]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_messages_of_a_split_with_a_name_of_its_own(published, tmp_path, form):
    if form == "parquet":
        pd.DataFrame(MESSAGES).to_parquet(tmp_path / "pairs.parquet", index=False)
    content = lines(MESSAGES) if form == "jsonl" else (tmp_path / "pairs.parquet").read_bytes()
    published({f"data/train_prefs-00000-of-00001.{form}": content, f"data/test_prefs-00000-of-00001.{form}": content})
    found, _ = read("chosen", "rejected", split="train_prefs")
    assert found == [{key: MESSAGES[0][key] for key in ("chosen", "rejected")}]


def test_complaints(published):
    said = "dataset org/pairs is not in the local hub cache, and the hub cannot be reached; name a local copy instead, with path:"
    assert complaint("chosen") == said
    published({"train.parquet": b"PAR1", "README.md": b"# Pairs"}, commit=fake_hub.SECOND, ref="cut")
    assert complaint("chosen", revision="cut").startswith("data set org/pairs cannot be read (")
    published({"train.jsonl": lines(TEXTS)})
    assert complaint("chosen", split="prefs") == "data set org/pairs has no split prefs, only train; name another, or give a file"
    said = "data set org/pairs, train.jsonl, line 1: no column better; it has prompt, chosen, rejected, score; the key names them"
    assert complaint("better") == said
    published({"train.jsonl": lines(TEXTS) + b'{"chosen": "a"}\n'}, commit="3" * 40, ref="short")
    said = "data set org/pairs, train.jsonl, line 4: no column rejected; it has chosen; the key names them"
    assert complaint("chosen", "rejected", revision="short") == said


def test_a_silent_change_is_refused(published, tmp_path):
    record = tmp_path / "preferences.json"
    published({"train.jsonl": lines(TEXTS)})
    record.write_text(json.dumps(read("chosen", record=record)[1]))
    assert len(read("chosen", record=record)[0]) == 3
    published({"train.jsonl": lines(TEXTS[:1])}, commit=fake_hub.SECOND)
    assert complaint("chosen", record=record) == (
        f"org/pairs at main was commit {fake_hub.FIRST} and is now {fake_hub.SECOND}; "
        f"to keep the old one pin it (revision:), to accept the new one delete {record}"
    )
    assert len(read("chosen", revision=fake_hub.FIRST, record=record)[0]) == 3
