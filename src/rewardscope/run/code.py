"""A digest of the code that a rule runs, for its `params`: a change makes stale exactly the rules whose results it can change.

Snakemake notices a changed script but not a changed module that the script imports. The digest covers the script and its
import closure within the package, but for what is OUTSIDE.
"""

import ast
import hashlib
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from rewardscope.errors import UserError, brief

PACKAGE = Path(__file__).parents[1]
DATA = (".yaml", ".html", ".css", ".js")  # files beside a module, with its name
# Rooms and modules that can fail a job but change no result. What they themselves put into files says something of other files and of jobs:
# `checksums.json`, the chain of jobs in the report (`run.lineage`), the words of an error (`problem` of findings).
OUTSIDE = ("run", "errors", "files", "checksums")
ALWAYS = "numerics"  # every job settles its threads and devices by it
UNSAID = ("ctx", "kind", "type_comment", "type_params")  # fields of syntax trees that say nothing more, or not in every Python


def digest(script: str | Path, *functions: str | Path) -> str:
    """16 hex digits over a script and every package module that it, or one of the user's `functions` files, imports.

    Comments, formatting and docstrings do not count: they cannot change a result. The same in every Python from 3.11 on.
    """
    modules = closure(script, *functions)
    lines = [_hash(Path(script)), *sorted(f"{module}:{_hash(_file(module))}" for module in modules)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def closure(*files: str | Path) -> set[str]:
    """Dotted names below the package of all modules that these files import, directly or not, and of ALWAYS."""
    seen: set[str] = set()
    todo = {ALWAYS}.union(*(_imports(Path(file)) for file in files))
    while todo:
        module = todo.pop()
        seen.add(module)
        todo |= _imports(_file(module)) - seen
    return seen


def _imports(file: Path) -> frozenset[str]:
    """Package modules, OUTSIDE left out, named by the import statements anywhere in `file`, those in functions included.

    Raises UserError where one in the package is relative: what it names would be left out.
    """
    imported = _imported(_read(file))
    if file.is_relative_to(PACKAGE) and any(level for level, _ in imported):
        raise UserError(f"{file}: a relative import, which the digest of the code does not follow; write `from rewardscope... import`")
    inside = {name.removeprefix("rewardscope.") for _, name in imported if name.startswith("rewardscope.")}
    return frozenset(module for name in inside if (module := _module(name)) and module.split(".")[0] not in OUTSIDE)


@cache
def _imported(text: str) -> frozenset[tuple[int, str]]:
    """(dots before it, dotted name) of all that a module's text imports; `from a import b` may mean the module `a.b`."""
    names: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            names |= {(node.level, ".".join(filter(None, (node.module, alias.name)))) for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {(0, alias.name) for alias in node.names}
    return frozenset(names)


def local_imports(file: str | Path) -> list[str]:
    """A Python file of the user's, then those below its folder that it imports, directly or not; installed modules are not among them.

    All import statements count, also those in functions; a name that is only made while the file runs is not seen.
    """
    first = Path(os.path.normpath(file))
    files, todo = set(), [first]
    while todo:
        path = todo.pop()
        if path in files or not path.is_file():
            continue
        files.add(path)
        with suppress(UserError):  # the job that loads it says so
            for level, name in _imported(_read(path)):
                root = Path(os.path.normpath(path / "/".join([".."] * level))) if level else first.parent
                todo += _module_files(root, name)
    return [str(first), *sorted(str(path) for path in files - {first})]


def _module_files(root: Path, name: str) -> list[Path]:
    """Where the module `a.b` and the packages around it may lie: `a.py`, `a/__init__.py`, `a/b.py`, `a/b/__init__.py`."""
    parts = name.split(".")
    places = [root.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]
    return [file for place in places for file in (place.parent / f"{place.name}.py", place / "__init__.py")]


def _module(name: str) -> str | None:
    """The module that a dotted name is, or is an attribute of; None for an attribute of the package itself."""
    for module in (name, name.rpartition(".")[0]):
        if module and _file(module).exists():
            return module
    return None


def _file(module: str) -> Path:
    folder = PACKAGE / module.replace(".", "/")
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _read(file: Path) -> str:
    """The text of a file that is Python."""
    try:
        text = file.read_text(encoding="utf-8")
        _imported(text)
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as a Python file ({brief(error)})") from error
    return text


def _hash(file: Path) -> str:
    """Of a module and of the data file that has its name, which changes its results too."""
    data = [file.with_suffix(kind) for kind in DATA]
    return hashlib.sha256(_tree(_read(file)).encode() + b"".join(file.read_bytes() for file in data if file.exists())).hexdigest()


@cache
def _tree(text: str) -> str:
    return _text(ast.parse(text))


def _text(node: object) -> str:
    """A syntax tree as text, docstrings left out: `ast.dump` writes another one in each Python."""
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    if isinstance(node, ast.JoinedStr):  # Python 3.12 puts an empty text behind a nested format
        node = ast.JoinedStr([part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")])
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in UNSAID and value not in (None, [])}
    body = fields.get("body")
    if isinstance(body, list) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        fields["body"] = body[1:]
    return f"{type(node).__name__}({','.join(f'{name}={_text(value)}' for name, value in fields.items())})"
