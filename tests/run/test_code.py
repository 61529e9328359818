"""The digest of a script's package code: it moves with what the script runs and with nothing else."""
import ast
import shutil
from pathlib import Path

import pytest

from rewardscope.run import code

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


def forget() -> None:
    """A job reads every file once; here files change."""
    for function in (code._imports, code._parse, code._tree_hash):
        function.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that can be changed, with a small script beside it."""
    shutil.copytree(code.PACKAGE, tmp_path / "rewardscope", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "rewardscope")
    forget()
    yield tmp_path / "rewardscope"
    forget()


def digests(package: Path) -> dict[str, str]:
    forget()
    return {script.stem: code.digest(script) for script in sorted(SCRIPTS.glob("*.py"))}


def changed(package: Path, module: str, old: str | None, new: str) -> set[str]:
    """The scripts whose digest moves with this edit of a module (`old` None: `new` is appended)."""
    before, file = digests(package), package / module
    text = file.read_text(encoding="utf-8")
    assert old is None or text.count(old) == 1
    file.write_text(text + new if old is None else text.replace(old, new), encoding="utf-8")
    after = digests(package)
    return {script for script in before if before[script] != after[script]}


def test_form(package):
    found = digests(package)
    assert all(len(digest) == 16 and set(digest) <= set("0123456789abcdef") for digest in found.values())
    assert len(set(found.values())) == len(found) > 10
    assert digests(package) == found


def test_a_changed_module_changes_who_runs_it(package):
    assert changed(package, "trigram.py", None, "X = 1\n") == {"perplexity"}
    assert changed(package, "grammar.py", None, "X = 1\n") == {"corpus"}
    moved = changed(package, "sae.py", None, "X = 1\n")
    assert moved >= {"saes", "feature_activations"} and not moved & {"rlhf", "activations", "table3", "explanations"}
    moved = changed(package, "seeds.py", None, "X = 1\n")  # scripts import it themselves or through a module
    assert moved >= {"corpus", "base_model", "rlhf", "activations", "saes"} and not moved & {"divergence", "table3"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# resamples, signs or orders", "# rows"),
        ("Student's t interval for the mean", "The interval for the mean"),  # a docstring
        ('"""Intervals, p-values', '"""Intervals'),  # of the module
        ("    n = len(values)\n    if n < 2:", "    n = (\n        len(values)\n    )\n\n    if n < 2:"),
    ],
)
def test_words_and_layout_change_nothing(package, old, new):
    assert changed(package, "stats.py", old, new) == set()


def test_a_default_or_a_number_changes_it(package):
    signature = "sign_flip_p(differences: np.ndarray, seed: int = 0, draws: int = 100_000)"
    assert changed(package, "stats.py", signature, signature.replace("100_000", "100_001")) >= {"table3", "table4"}


def test_a_data_file_counts(package):
    assert changed(package, "grammar.yaml", None, "\n") == {"corpus"}
    assert changed(package, "film_opinions.yaml", None, "\n") == {"section6_1"}
    assert changed(package, "paper.yaml", None, "\n") == {"table1", "table2"}


def test_what_only_writes_records_changes_nothing(package):
    assert changed(package, "provenance.py", None, "X = 1\n") == set()
    assert changed(package, "job.py", None, "X = 1\n") == set(digests(package))  # it sets thread counts


def test_a_new_module_changes_nothing_until_it_is_imported(package):
    before = digests(package)
    (package / "novel.py").write_text("x = 1\n")
    assert digests(package) == before
    assert changed(package, "trigram.py", "import math\n", "import math\n\nfrom rewardscope import novel\n") == {"perplexity"}
    assert changed(package, "novel.py", "x = 1", "x = 2") == {"perplexity"}


@pytest.mark.parametrize(
    "line",
    [
        "from rewardscope import stats",
        "from rewardscope.stats import t_interval",
        "import rewardscope.stats as s",
        "def f():\n    from rewardscope import stats",
        "if True:\n    import os, rewardscope.stats",
        "from rewardscope import __version__, stats",
    ],
)
def test_every_form_of_import(tmp_path, package, line):
    script = tmp_path / "script.py"
    script.write_text(line + "\n")
    assert code.closure(script) == {"stats"}


def test_closure_of_a_script(tmp_path, package):
    script = tmp_path / "script.py"
    script.write_text("import numpy\nfrom rewardscope.table4 import row\n")
    own = {"table4", "table3", "explained", "stats", "rewards", "errors"}
    assert code.closure(script) == own | {"logits", "models", "checksums", "files"}  # by an import inside a function
    script.write_text("import numpy, json\n")
    forget()
    assert code.closure(script) == set()


def imported(file: Path) -> set[str]:
    """Top-level names of everything that a file imports."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[0] for name in plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}}


@pytest.mark.parametrize("script", ["saes", "features", "feature_activations", "nulls", "comparison"])
def test_sae_jobs_load_no_transformers(script):
    forget()
    files = [SCRIPTS / f"{script}.py", *(code.PACKAGE / f"{module}.py" for module in code.closure(SCRIPTS / f"{script}.py"))]
    heavy = {file.name: imported(file) & {"transformers", "trl", "datasets", "tokenizers"} for file in files}
    assert len(files) > 3 and heavy == dict.fromkeys(heavy, set())


def test_the_check_above_would_see_transformers():
    forget()
    assert any("transformers" in imported(code.PACKAGE / f"{module}.py") for module in code.closure(SCRIPTS / "activations.py"))
