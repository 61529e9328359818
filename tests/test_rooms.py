"""The building: a room a stage, arrows between rooms one way, and a room `run` that can change no result."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

PACKAGE = Path(__file__).parents[1] / "src" / "rewardscope"
ORDER = [
    "data",
    "models",
    "rewards",
    "rlhf",
    "activations",
    "sae",
    "explain",
    "findings",
    "causes",
    "scores",
    "figures",
    "tables",
    "export",
    "report",
]  # of the picture
FOUNDATIONS = {"text", "errors", "files", "checksums", "seeds", "stats", "numerics", "states", "columns"}  # what any room may import
SERVES_ALL = {"run", "config", "setup"}
MAY = {  # room -> what else it may import, and why
    "errors": {"text"},
    "numerics": {"errors"},
    "config": {
        "errors",
        "files",
        "explain",
        "run",
    },  # the last two by plan alone: requests are priced as the explainer does, sizes are said as by a job
    "run": {"text", "errors", "files", "checksums", "numerics"},  # numerics: `job.start` settles a job by it
    "states": {"errors", "files", "checksums", "run"},  # its log
    "setup": {"text", "errors", "files", "run", "config", "data", "rewards", "explain"},  # it looks before a run at what the run will read
}
MODULES = sorted(file for file in PACKAGE.rglob("*.py") if file.name not in ("__init__.py", "__main__.py"))


def room(file: Path) -> str:
    """The room of a module, or its own name where it stands at the top."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports(file: Path) -> frozenset[str]:
    """Dotted names of everything that a file imports."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return frozenset(plain | {f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names})


def arrows() -> dict[tuple[str, str], list[str]]:
    """(room, room that it imports) -> the modules that do."""
    table: dict[tuple[str, str], list[str]] = {}
    for file in MODULES:
        for name in imports(file):
            if name.startswith("rewardscope.") and (to := name.split(".")[1]) != room(file):
                table.setdefault((room(file), to), []).append(file.stem)
    return table


def allowed(start: str, to: str) -> bool:
    if start in ORDER:
        return to in FOUNDATIONS or to == "run" or (to in ORDER and ORDER.index(to) < ORDER.index(start))
    return to in MAY.get(start, {"errors", "files", "checksums", "seeds"})


def test_arrows_run_one_way():
    table = arrows()
    assert len(table) > 40
    assert {arrow: modules for arrow, modules in table.items() if not allowed(*arrow)} == {}


def test_every_room_has_its_place():
    rooms = {room(file) for file in MODULES}
    assert rooms == {*ORDER, *FOUNDATIONS, *SERVES_ALL}


@pytest.mark.parametrize("name", [*ORDER, *sorted(SERVES_ALL)])
def test_a_room_holds_few_files_and_its_own_init_says_only_what_it_is(name):
    assert len([file for file in (PACKAGE / name).iterdir() if file.is_file()]) <= 20
    body = ast.parse((PACKAGE / name / "__init__.py").read_text(encoding="utf-8")).body
    assert len(body) == 1 and isinstance(body[0].value.value, str)  # code in it would run unseen by the digest


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_is_short(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


def environment_writes(file: Path) -> list[str]:
    """Statements and calls of a file that may change `os.environ`."""
    texts = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target] if isinstance(node, ast.AugAssign) else []
        texts += [ast.unparse(target) for target in targets]
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("update", "setdefault", "pop", "putenv", "clear")
        ):
            texts.append(ast.unparse(node.func))
    return [text for text in texts if "environ" in text or "putenv" in text]


@pytest.mark.parametrize("file", sorted((PACKAGE / "run").glob("*.py")), ids=lambda file: file.stem)
def test_run_computes_nothing_and_sets_nothing(file):
    assert {name.split(".")[0] for name in imports(file)} & {"torch", "numpy", "scipy", "pandas", "transformers"} == set()
    writes = environment_writes(file)
    assert writes == (["os.environ[VARIABLE]"] if file.stem == "orphans" else [])  # whom a job must not outlive: no setting of numbers


def stages() -> dict[str, set[str]]:
    """Script -> the modules that CONTRIBUTING.md names for it."""
    lines = (PACKAGE.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## What one touches")[0].splitlines()
    cells = [line.strip("|").split("|") for line in lines if line.startswith("| ") and "`" in line]
    return {script: set(re.findall(r"`(\w+/\w+)`", modules)) for scripts, modules in cells for script in re.findall(r"\w+", scripts)}


def test_the_table_of_stages_is_true():
    """Each script imports a module that the table names for it; those of tables have its own name."""
    scripts = sorted((PACKAGE.parents[1] / "workflow" / "scripts").glob("*.py"))
    table = stages()
    for script in scripts:
        modules = {name.removeprefix("rewardscope.").replace(".", "/") for name in imports(script)}
        named = table.get(script.stem) or {f"tables/{script.stem}"}
        assert any(module.startswith(tuple(named)) for module in modules), script.stem
    assert len(scripts) > 30 and len(table) > 20


def test_no_two_test_files_have_one_name():
    """pytest imports them by it; where two have one, it collects nothing at all, which a run of some files does not show."""
    names = sorted(file.name for file in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, following in zip(names, names[1:], strict=False) if name == following] == []


def test_every_system_test_has_its_minutes():
    tests = Path(__file__).parent
    text = (tests / "minutes.yaml").read_text(encoding="utf-8")
    minutes = yaml.safe_load(text)
    assert [file.name for file in tests.glob("system/test_*.py") if f"system/{file.name}" not in minutes] == []
    assert [name for name in minutes if not (tests / name).is_file()] == []
    system = sum(spent for name, spent in minutes.items() if name.startswith("system/"))
    assert f"make test add up to {sum(minutes.values()) - system:.1f}, those of tests/system to {system:.1f}" in text
