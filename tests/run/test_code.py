"""The digest of a rule's code: it moves with what can change the rule's results and with nothing else."""

import ast
import shutil
from pathlib import Path

import pytest
import yaml

from rewardscope.errors import UserError
from rewardscope.run import code

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "workflow" / "scripts").glob("*.py"))
TABLE = yaml.safe_load((ROOT / "tests" / "stale_modules.yaml").read_text(encoding="utf-8"))  # module -> the rules that it makes stale


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that can be changed."""
    shutil.copytree(code.PACKAGE, tmp_path / "rewardscope", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "rewardscope")
    return tmp_path / "rewardscope"


def digests() -> dict[str, str]:
    return {script.stem: code.digest(script) for script in SCRIPTS}


def changed(package: Path, file: str, old: str | None, new: str) -> set[str]:
    """The rules whose digest moves with this edit of a file (`old` None: `new` is appended)."""
    before, path = digests(), package / file
    text = path.read_text(encoding="utf-8")
    assert old is None or text.count(old) == 1
    path.write_text(text + new if old is None else text.replace(old, new), encoding="utf-8")
    after = digests()
    path.write_text(text, encoding="utf-8")
    return {rule for rule in before if before[rule] != after[rule]}


def modules(package: Path) -> list[str]:
    files = [file.relative_to(package) for file in package.rglob("*.py") if file.name not in ("__init__.py", "__main__.py")]
    return sorted(".".join(file.with_suffix("").parts) for file in files)


def test_form(package):
    first = digests()
    assert all(len(digest) == 16 and set(digest) <= set("0123456789abcdef") for digest in first.values())
    assert len(set(first.values())) == len(first) > 30
    assert digests() == first


def test_a_line_in_any_module_makes_stale_what_the_table_says(package):
    """One more line in each module of the package: tests/stale_modules.yaml holds the rules, for a person to agree with."""
    every = {rule.stem for rule in SCRIPTS}
    table = {module: every if rules == "all" else set(rules) for module, rules in TABLE.items()}
    stale = {module: changed(package, module.replace(".", "/") + ".py", None, "\nEXTRA = 1\n") for module in modules(package)}
    assert {module: rules for module, rules in stale.items() if table.get(module) != rules} == {}
    assert sorted(table) == sorted(stale)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# resamples, signs or orders that are in memory at a time", "# another reason"),
        ("Student's t interval for the mean", "The interval for the mean"),  # a docstring
        ('"""Intervals, p-values and rank correlations', '"""Intervals'),  # of the module
        ("    n = len(values)\n    if n < 2 or", "    n = (\n        len(values)\n    )\n\n    if n < 2 or"),
    ],
)
def test_words_and_layout_change_nothing(package, old, new):
    assert changed(package, "stats.py", old, new) == set()


def test_a_default_or_a_number_changes_it(package):
    assert changed(package, "stats.py", "BATCH = 1000", "BATCH = 1001") >= {"table3", "table4"}


def test_a_data_file_counts(package):
    assert changed(package, "data/grammar.yaml", None, "\n") == {"corpus"}
    assert changed(package, "tables/film_opinions.yaml", None, "\n") == {"section6_1"}
    assert changed(package, "tables/paper.yaml", None, "\n") == {"table1", "table2"}
    assert changed(package, "report/report.css", None, "\n") == {"report"}


def test_the_script_counts(tmp_path, package):
    script = tmp_path / "script.py"
    script.write_text("from rewardscope import stats\nx = 1\n")
    first = code.digest(script)
    for text, same in (("from rewardscope import stats  # why\n\nx = 1\n", True), ("from rewardscope import stats\nx = 2\n", False)):
        script.write_text(text)
        assert (code.digest(script) == first) == same


def test_a_new_module_changes_nothing_until_it_is_imported(package):
    before = digests()
    (package / "models" / "novel.py").write_text("x = 1\n")
    assert digests() == before
    file = package / "models" / "trigram.py"
    file.write_text(file.read_text(encoding="utf-8") + "\nfrom rewardscope.models import novel\n", encoding="utf-8")
    assert changed(package, "models/novel.py", "x = 1", "x = 2") == {"perplexity"}


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("from rewardscope import stats", "stats"),
        ("from rewardscope.stats import t_interval", "stats"),
        ("import rewardscope.stats as s", "stats"),
        ("def f():\n    from rewardscope import stats", "stats"),
        ("if True:\n    import os, rewardscope.stats", "stats"),
        ("from rewardscope import __version__, stats", "stats"),
        ("from rewardscope.models import trigram", "models.trigram"),
        ("from rewardscope.models.trigram import Trigram", "models.trigram"),
        ("import rewardscope.models.trigram", "models.trigram"),
        ("from rewardscope.models import (\n  trigram as t,\n)", "models.trigram"),
    ],
)
def test_every_form_of_import(tmp_path, package, line, module):
    script = tmp_path / "script.py"
    script.write_text(line + "\n")
    assert code.closure(script) == {module, "numerics"}


@pytest.mark.parametrize("line", ["from . import trigram", "from .trigram import Trigram", "def f():\n    from .. import stats"])
def test_a_relative_import_in_the_package_is_refused(tmp_path, package, line):
    (package / "models" / "novel.py").write_text(line + "\n")
    script = tmp_path / "script.py"
    script.write_text("from rewardscope.models import novel\n")
    with pytest.raises(UserError, match=r"models/novel\.py: a relative import"):
        code.closure(script)
    reward = tmp_path / "reward.py"
    reward.write_text("from .helper import score\n")  # one of the user's names another file of theirs, which is an input (`local_imports`)
    assert code.closure(reward) == {"numerics"}


def test_what_can_change_no_result_is_not_walked_through(tmp_path, package):
    script = tmp_path / "script.py"
    script.write_text("from rewardscope.run import job, provenance\nfrom rewardscope.files import whole\nfrom rewardscope import errors, checksums\n")
    assert code.closure(script) == {"numerics"}


def test_what_a_reward_function_imports_counts(tmp_path, package):
    reward = tmp_path / "reward.py"
    reward.write_text("def score(texts):\n    from rewardscope.rewards import utility\n    return [0.0] * len(texts)\n")
    script = ROOT / "workflow" / "scripts" / "divergence.py"
    assert code.closure(script, reward) - code.closure(script) == {"rewards.utility", "data.rows", "data.words", "text"}
    assert code.digest(script, reward) != code.digest(script)


def test_the_digest_is_the_same_in_every_python(tmp_path, package):
    """Written down from one Python, compared in all that CI runs: syntax whose `ast.dump` differs between them."""
    script = tmp_path / "script.py"
    script.write_text(
        "from __future__ import annotations\nimport math as m\n\nclass A(dict, metaclass=type): ...\n"
        + "async def f(a, /, b: int = 1, *c, d=None, **e) -> str:\n    'doc'\n    x: list[int] = [*c]\n    return f'{a!r:>{b}} {x=} a' 'b' u'c' f'{d}'\n"
        + "@f\ndef g():\n    try:\n        with open('a') as h, open('b'):\n            yield lambda: (h, ..., 1j, b'x', -1.5e300, None, True)\n"
        + "    except* ValueError as z:\n        pass\n    match x:\n        case {'a': [1, *_], **r} if (n := 2):\n            del n\n        case A(b=None) | None:\n            global q\n"
    )
    assert code.digest(script) == code.digest(script)
    assert code._hash(script) == "743c3f5579d80e995d767b616da7c57e22b76658b49965d4d540c248a1c01b18"


def imported(file: Path) -> set[str]:
    """Top-level names of everything that a file imports."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[0] for name in plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}}


def heavy(script: str) -> dict[str, set[str]]:
    """Module -> what it imports of the libraries that take seconds, of all that a script runs."""
    file = ROOT / "workflow" / "scripts" / f"{script}.py"
    files = [file, *(code._file(module) for module in code.closure(file))]
    return {str(file): slow for file in files if (slow := imported(file) & {"transformers", "trl", "datasets", "tokenizers"})}


@pytest.mark.parametrize("script", ["saes", "features", "feature_activations", "nulls", "comparison", "table3", "table4", "step4"])
def test_jobs_without_a_language_model_load_no_transformers(script):
    assert heavy(script) == {}


def test_the_check_above_would_see_transformers():
    assert heavy("activations")
