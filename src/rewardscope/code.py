"""A digest of the package code that a script runs, for the `params` of its rule.

Snakemake notices a changed script but not a changed module that the script imports. The digest covers the
script's import closure within the package, so that a change makes stale exactly the steps that run it.
"""
import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
DATA = (".yaml", ".html", ".css", ".js")  # files beside a module, with its name
RECORDS = "provenance"  # the module that only writes down what a job did; it cannot change a result


def digest(script: str | Path) -> str:
    """16 hex digits over the syntax trees of every package module that `script` imports, directly or not.

    Comments, formatting and docstrings do not count: they cannot change a result.
    """
    hashes = sorted(f"{module}:{_tree_hash(module)}" for module in closure(script))
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:16]


def closure(script: str | Path) -> set[str]:
    """Names of the package modules (and data files) that `script` imports, directly or not."""
    seen: set[str] = set()
    todo = set(_imports(Path(script)))
    while todo:
        module = todo.pop()
        seen.add(module)
        todo |= _imports(_file(module)) - seen
    return seen


def _file(module: str) -> Path:
    return PACKAGE / (module.replace(".", "/") + ".py")


@cache
def _imports(file: Path) -> frozenset[str]:
    """Package modules named by the import statements anywhere in `file`, those in functions included."""
    found = set()
    for node in ast.walk(_parse(file)):
        if isinstance(node, ast.ImportFrom) and node.module == "rewardscope":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rewardscope."):
            found.add(node.module.removeprefix("rewardscope."))
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("rewardscope.") for a in node.names if a.name.startswith("rewardscope.")}
    return frozenset(name for name in found if _file(name).exists() and name != RECORDS)


@cache
def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _tree_hash(module: str) -> str:
    tree = _parse(_file(module))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body[0].value.value = None  # a docstring
    text = ast.dump(tree)
    data = [_file(module).with_suffix(kind) for kind in DATA]  # a module's data file changes its results too
    return hashlib.sha256(text.encode() + b"".join(file.read_bytes() for file in data if file.exists())).hexdigest()
