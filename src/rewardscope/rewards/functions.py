"""Reward functions that the user writes: `file.py:name`."""

import ast
import importlib.util
import math
import os
import sys
from functools import partial
from pathlib import Path

from rewardscope.errors import UserError, brief


def load(source: str) -> partial:
    """The function of `file.py:name`, as a reward: what it returns is checked to be one finite number per text."""
    return partial(_checked, function=_function(source), source=source)


def check_function(source: str) -> None:
    """Raises UserError where the file of `file.py:name` is no Python or nowhere binds the name; runs none of it."""
    path, name = source.rsplit(":", 1)
    try:
        nodes = list(ast.walk(ast.parse(Path(path).read_bytes(), path)))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a Python file ({brief(error)})") from error
    bound = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    bound |= {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    if not bound & {name, "*"}:
        raise UserError(f"{path}: there is no function {name}; there: {', '.join(sorted(bound)) or 'nothing'}")


def local_imports(file: str | Path) -> list[str]:
    """A Python file, then those below its folder that it imports, directly or not; installed modules are not among them.

    All import statements count, also those in functions; a name that is only made while the file runs is not seen.
    """
    first = Path(os.path.normpath(file))
    files, todo = set(), [first]
    while todo:
        path = todo.pop()
        if path not in files and path.is_file():
            files.add(path)
            todo += [part for root, name in _imports(path, first.parent) for part in _module_files(root, name)]
    return [str(first), *sorted(str(path) for path in files - {first})]


def _imports(file: Path, folder: Path) -> list[tuple[Path, str]]:
    """(where to look, dotted name) of each import in a file; `from a import b` may mean the module `a.b`."""
    try:
        nodes = list(ast.walk(ast.parse(file.read_bytes(), str(file))))
    except (OSError, SyntaxError, ValueError):
        return []  # the job that loads it says so
    names = [(folder, alias.name) for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            root = (file / "/".join([".."] * node.level)) if node.level else folder
            names += [(Path(os.path.normpath(root)), ".".join(filter(None, (node.module, alias.name)))) for alias in node.names]
    return names


def _module_files(root: Path, name: str) -> list[Path]:
    """Where the module `a.b` and the packages around it may lie: `a.py`, `a/__init__.py`, `a/b.py`, `a/b/__init__.py`."""
    parts = name.split(".")
    places = [root.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]
    return [file for place in places for file in (place.parent / f"{place.name}.py", place / "__init__.py")]


def _function(source: str) -> object:
    """What `file.py:name` is, a function if all is well; the file runs once, as a module of its own outside sys.path."""
    check_function(source)
    path, name = source.rsplit(":", 1)
    spec = importlib.util.spec_from_file_location(f"reward function {path}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where dataclasses look for it
    try:
        # not exec_module: a cached .pyc of the same second and size would hide a change
        exec(compile(spec.loader.get_data(path), path, "exec"), vars(module))
        return vars(module)[name]
    except (Exception, SystemExit) as error:
        raise UserError(f"{path}: the file fails when it is loaded ({type(error).__name__}: {brief(error)})") from error


def _checked(texts: list[str], function: object, source: str) -> list[float]:
    """What the function says, if that is one finite number per text."""
    try:
        values = list(function(list(texts)))
    except Exception as error:
        raise UserError(f"{source} failed on {len(texts)} texts ({type(error).__name__}: {brief(error)})") from error
    if len(values) != len(texts):
        raise UserError(f"{source} returned {len(values)} rewards for {len(texts)} texts; it must return one number per text, in order")
    for i, value in enumerate(values):
        try:
            values[i] = float(value)
        except (TypeError, ValueError):
            values[i] = math.nan
        if not math.isfinite(values[i]):
            raise UserError(f"{source} returned {value!r:.40} for {texts[i]!r:.60}; a reward is a finite number")
    return values
