"""Pairs of responses that DPO learns from: what is read of files, and every complaint about them."""

import copy
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny

from rewardscope.errors import UserError
from rewardscope.rlhf import preferences
from rewardscope.rlhf.preferences import Pair

INPUTS = Path(__file__).parents[1] / "inputs" / "preferences"
COLUMNS = {"path": "", "chosen": "chosen", "rejected": "rejected", "tokens": 40}


def test_pairs_of_files(tmp_path):
    tokenizer = tiny.tokenizer()
    names = {"chosen": "yes", "rejected": "no", "tokens": 40}
    file = str(INPUTS / "whole.jsonl")
    (pair,) = preferences.read({"path": file, **names}, tokenizer)  # the second one's responses are equal
    assert tokenizer.decode(pair.prompt + pair.chosen) == "the film was lovely<|endoftext|>"
    assert tokenizer.decode(pair.prompt + pair.rejected) == "the film was dull<|endoftext|>"
    assert tokenizer.decode(pair.prompt) == "the film was"
    parquet = tmp_path / "whole.parquet"
    pd.DataFrame([json.loads(line) for line in Path(file).read_text().splitlines()]).to_parquet(parquet)
    assert preferences.read({"path": str(parquet), **names}, tokenizer) == [pair]
    short = preferences.read({"path": file, **names, "tokens": len(pair.prompt) + 1}, tokenizer)
    assert short == [Pair(pair.prompt, pair.chosen[:1], pair.rejected[:1])]  # and no end token
    talking = copy.deepcopy(tokenizer)
    talking.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    (told,) = preferences.read({**COLUMNS, "path": str(INPUTS / "messages.jsonl")}, talking)
    assert talking.decode(told.prompt) == "user: film?\nassistant: "
    assert talking.decode(told.chosen) == "lovely\n<|endoftext|>" and talking.decode(told.rejected) == "dull\n<|endoftext|>"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "no_rejected.jsonl",
            "FILE, line 2: no column rejected; it has prompt, chosen; rlhf.dpo.preferences names its columns (prompt, chosen, rejected)",
        ),
        ("number.jsonl", "FILE, row 1: rejected is 3; it must be text, or a list of messages with role and content"),
        ("twice.jsonl", "FILE, line 3: the key chosen is given twice in one object; remove one of them"),
        ("half_a_surrogate_pair.jsonl", "FILE, row 2 holds half of a surrogate pair, \\ud83d; remove it"),
        ("equal.jsonl", "FILE: none of its 1 pairs has a prompt and two responses that differ within 40 tokens"),
    ],
)
def test_files_without_pairs(name, line):
    file = str(INPUTS / name)
    with pytest.raises(UserError) as caught:
        preferences.read({**COLUMNS, "path": file, "prompt": "prompt"}, tiny.tokenizer())
    assert str(caught.value).replace(file, "FILE") == line


def test_messages_without_a_template_and_files_that_are_no_parquet(tmp_path):
    with pytest.raises(UserError, match="row 1: messages need a chat template, and the model's tokenizer has none; give texts$"):
        preferences.read({**COLUMNS, "path": str(INPUTS / "messages.jsonl")}, tiny.tokenizer())
    (tmp_path / "cut.parquet").write_text("no")
    pq.write_table(pa.table({"chosen": ["a"]}), tmp_path / "one.parquet")
    pq.write_table(pa.table([["a"], ["b"], ["c"]], names=["chosen", "rejected", "chosen"]), tmp_path / "twice.parquet")
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff"))
    pq.write_table(pa.table({"chosen": broken, "rejected": ["b", "c"]}), tmp_path / "latin1.parquet")
    said = {
        "cut": ": cannot be read (",
        "one": ": no column rejected; it has chosen; rlhf.dpo.preferences names its columns (prompt, chosen, rejected)",
        "twice": ": 2 columns are named chosen; rename or remove all but one",
        "latin1": ", row 2: not UTF-8; write the file again as UTF-8",
    }
    for name, line in said.items():
        with pytest.raises(UserError) as caught:
            preferences.read({**COLUMNS, "path": (file := str(tmp_path / f"{name}.parquet"))}, tiny.tokenizer())
        assert str(caught.value).startswith(file + line) and "\n" not in str(caught.value)
