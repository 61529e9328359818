"""Rewards from a Python file: what is run, what it must return, and every complaint as the line that a user reads."""

import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardscope.errors import UserError
from rewardscope.rewards import functions, rewards
from rewardscope.run import code

LENGTH = "def score(texts):\n    return [len(text) / 10 for text in texts]\n"
TEXTS = ["four", "a dozen here", ""]


@pytest.fixture
def source(tmp_path):
    """Writes a file and names a function in it as the config does."""

    def of(code: str | bytes, name: str = "score") -> str:
        file = tmp_path / "mine.py"
        file.write_bytes(code if isinstance(code, bytes) else code.encode())
        return f"{file}:{name}"

    return of


def loaded(source: str):
    return rewards.load({"words": None, "function": source, "classifier": None})


LIST = "it must return a list of numbers, one per text, in order"


def complaint(source: str, texts=TEXTS) -> str:
    with pytest.raises(UserError) as caught:
        loaded(source)(texts)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(source, "SOURCE").replace(source.rsplit(":", 1)[0], "FILE").replace(LIST, "LIST")


# ---- what runs -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "code",
    [
        LENGTH,
        "import numpy as np\ndef score(texts):\n    return np.array([len(t) for t in texts]) / 10\n",
        "import torch\ndef score(texts):\n    return torch.tensor([len(t) for t in texts], dtype=torch.float64) / 10\n",
        "def score(texts):\n    for text in texts:\n        yield len(text) / 10\n",
        "def score(texts):\n    return tuple([texts.pop(0), 1][1] * n / 10 for n in [len(t) for t in texts])\n",  # its own list
        "class Scorer:\n    def __call__(self, texts):\n        return [len(t) / 10 for t in texts]\nscore = Scorer()\n",
        "from functools import partial\ndef _by(texts, n):\n    return [len(t) / n for t in texts]\nscore = partial(_by, n=10)\n",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass N:\n    n: int\n"
        "def score(texts):\n    return [len(t) / N(10).n for t in texts]\n",
        "from pathlib import Path\nTEN = len(Path(__file__).parent.name) * 0 + 10\ndef score(texts):\n    return [len(t) / TEN for t in texts]\n",
    ],
)
def test_functions(source, code):
    texts = list(TEXTS)
    said = loaded(source(code))(texts)
    assert said == pytest.approx([0.4, 1.2, 0.0]) and all(type(value) is float for value in said)
    assert texts == TEXTS


def test_no_texts(source):
    assert loaded(source(LENGTH))([]) == []


def test_nothing_else_changes(source, tmp_path):
    path, here = list(sys.path), Path.cwd()
    loaded(source(LENGTH))
    assert sys.path == path and Path.cwd() == here and os.listdir(tmp_path) == ["mine.py"]


def test_a_change_of_the_same_size_in_the_same_second_is_seen(source):
    one = source("def score(texts):\n    return [1] * len(texts)\n")
    stamp = time.time()
    for number in "12":
        Path(one.rsplit(":", 1)[0]).write_text(f"def score(texts):\n    return [{number}] * len(texts)\n")
        os.utime(one.rsplit(":", 1)[0], (stamp, stamp))
        assert loaded(one)(["x"]) == [float(number)]


def test_relative_to_the_working_directory(source, tmp_path, monkeypatch):
    source(LENGTH)
    monkeypatch.chdir(tmp_path)
    assert loaded("mine.py:score")(TEXTS) == loaded("./mine.py:score")(TEXTS) == pytest.approx([0.4, 1.2, 0.0])


def test_words_are_as_before():
    assert rewards.load({"words": "vader", "function": None, "classifier": None})(["A great film"]) == pytest.approx([0.62])


# ---- what it imports ---------------------------------------------------------------------------
def test_files_that_it_imports(tmp_path, monkeypatch):
    """Helpers and packages beside it, in functions and by each other; nothing installed, nothing that nobody imports."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "mine.py": "import json, near, package.inner\ndef score(texts):\n    from late import f\n    return f(texts)\n",
        "near.py": "import mine\nfrom package import also, NUMBER\n",  # in a circle
        "late.py": "def f(:\n",  # broken: the job says so
        "package/__init__.py": "",
        "package/inner.py": "from . import sibling\nfrom .deep.one import x\nfrom .. import other\n",
        "package/also.py": "",
        "package/sibling.py": "",
        "package/deep/one.py": "from ..sibling import y\n",
        "other.py": "",
        "unused.py": "",
        "package/unused.py": "",
    }
    for name, text in texts.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    assert code.local_imports("./mine.py") == ["mine.py", *sorted(name for name in texts if "unused" not in name and name != "mine.py")]
    assert code.local_imports(tmp_path / "other.py") == [str(tmp_path / "other.py")]
    assert code.local_imports("gone.py") == ["gone.py"]


# ---- complaints about the file: without running it --------------------------------------------
NOT_THERE = [
    (LENGTH, "scores", "FILE: there is no function scores; there: score, text"),
    ("import os\nfrom math import pi as tau\n", "pi", "FILE: there is no function pi; there: os, tau"),
    ("", "score", "FILE: there is no function score; there: nothing"),
    ("def score(texts:\n", "score", "FILE: cannot be read as a Python file ('(' was never closed (mine.py, line 1))"),
    (b"def score(texts):\n    return '\xff'\n", "score", "FILE: cannot be read as a Python file ("),
    (b"\0", "score", "FILE: cannot be read as a Python file ("),
]


@pytest.mark.parametrize(("code", "name", "said"), NOT_THERE)
def test_file_without_the_function(source, code, name, said):
    for check in (loaded, functions.check_function):
        with pytest.raises(UserError) as caught:
            check(named := source(code, name))
        shown = str(caught.value).replace(named.rsplit(":", 1)[0], "FILE")
        assert shown == said or (said.endswith("(") and shown.startswith(said)), shown


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="no.py: cannot be read as a Python file "):
        functions.check_function(f"{tmp_path}/no.py:score")


def test_the_check_runs_nothing(source, tmp_path):
    functions.check_function(source(f"open({str(tmp_path / 'run')!r}, 'w')\nif True:\n    from x import *\n", "anything"))
    functions.check_function(source("try:\n    import x as score\nexcept ImportError:\n    score = None\n"))
    functions.check_function(source("first, score = [], {}\n"))
    assert not (tmp_path / "run").exists()


# ---- complaints about what it does -------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nowhere\n" + LENGTH, "FILE: the file fails when it is loaded (ModuleNotFoundError: No module named 'nowhere')"),
        (LENGTH + "1 / 0\n", "FILE: the file fails when it is loaded (ZeroDivisionError: division by zero)"),
        (LENGTH + "raise SystemExit\n", "FILE: the file fails when it is loaded (SystemExit: SystemExit)"),
        ("def f():\n    score = 1\n", "FILE: the file fails when it is loaded (KeyError: 'score')"),
        ("score = 3\n", "SOURCE failed on 3 texts (TypeError: 'int' object is not callable)"),
        ("def score():\n    return []\n", "SOURCE failed on 3 texts (TypeError: score() takes 0 positional arguments but 1 was given)"),
        ("def score(texts):\n    pass\n", "SOURCE returned None, of type NoneType; LIST"),
        ("def score(texts):\n    return 0.5\n", "SOURCE returned 0.5, of type float; LIST"),
        (
            "def score(texts):\n    return {t: 1.0 for t in texts}\n",
            "SOURCE returned {'four': 1.0, 'a dozen here': 1.0, '': 1, of type dict; LIST",
        ),
        (
            "def score(texts):\n    return {1, 2, 3}\n",
            "SOURCE returned {1, 2, 3}, of type set; LIST",
        ),
        ("def score(texts):\n    return '123'\n", "SOURCE returned '123', of type str; LIST"),
        ("def score(texts):\n    raise SystemExit(3)\n", "SOURCE failed on 3 texts (SystemExit: 3)"),
        ("def score(texts):\n    yield 1\n    exit()\n", "SOURCE failed on 3 texts (SystemExit: None)"),
        ("def score(texts):\n    raise ValueError('of\\ntwo lines')\n", "SOURCE failed on 3 texts (ValueError: of two lines)"),
        ("def score(texts):\n    yield 1\n    1 / 0\n", "SOURCE failed on 3 texts (ZeroDivisionError: division by zero)"),
        ("def score(texts):\n    return [1.0]\n", "SOURCE returned 1 rewards for 3 texts; it must return one number per text, in order"),
        ("def score(texts):\n    return texts * 2\n", "SOURCE returned 6 rewards for 3 texts; it must return one number per text, in order"),
        ("def score(texts):\n    return texts\n", "SOURCE returned 'four' for 'four'; a reward is a finite number"),
        ("def score(texts):\n    return [1, None, 2]\n", "SOURCE returned None for 'a dozen here'; a reward is a finite number"),
        ("def score(texts):\n    return [1, 2, float('nan')]\n", "SOURCE returned nan for ''; a reward is a finite number"),
        ("def score(texts):\n    return [1, float('-inf'), 2]\n", "SOURCE returned -inf for 'a dozen here'; a reward is a finite number"),
        ("def score(texts):\n    return [[1], [2], [3]]\n", "SOURCE returned [1] for 'four'; a reward is a finite number"),
        ("def score(texts):\n    return [1, 2, 1j]\n", "SOURCE returned 1j for ''; a reward is a finite number"),
    ],
)
def test_complaints(source, code, said):
    assert complaint(source(code)) == said


@pytest.mark.parametrize("rows", [np.ones((3, 2)), torch.ones(3, 2)])
def test_a_matrix_is_no_reward(source, rows, monkeypatch):
    monkeypatch.setattr(math, "rows", rows, raising=False)
    assert "returned " in (said := complaint(source("import math\ndef score(texts):\n    return math.rows\n")))
    assert said.endswith(" for 'four'; a reward is a finite number")


def test_a_long_text_is_cut_short(source):
    said = complaint(source("def score(texts):\n    return [None] * len(texts)\n"), ["long\n" * 500])
    assert len(said) < 120
