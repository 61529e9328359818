"""Reward functions that the user writes: `file.py:name`."""

import ast
import importlib.util
import math
import sys
from collections.abc import Iterable, Mapping, Set
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
        values = function(list(texts))
        if not isinstance(values, str | bytes | Mapping | Set) and isinstance(values, Iterable):
            values = list(values)  # a generator may fail here
    except (Exception, SystemExit) as error:
        raise UserError(f"{source} failed on {len(texts)} texts ({type(error).__name__}: {brief(error)})") from error
    if not isinstance(values, list):
        raise UserError(
            f"{source} returned {values!r:.40}, of type {type(values).__name__}; it must return a list of numbers, one per text, in order"
        )
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
