"""Rewards: functions from texts to numbers, and the utility table of section 4.2.

How a text becomes words: lower case, typographic apostrophes made plain, then every run of letters and digits
with inner apostrophes and hyphens is a word ("don't", "cover-up"). A compound that the table does not hold counts
as its parts ("well-made" as "well" and "made"). Entries of the VADER lexicon that are not words in this sense
(emoticons, "fed up") therefore never count; negation and intensifiers have no effect (Appendix D sums utilities).
"""
import ast
import csv
import importlib.util
import math
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rewardscope.errors import UserError, brief

Reward = Callable[[list[str]], list[float]]
WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
SCALE, CLIP = 5.0, 10.0  # Equation 3


def words(text: str) -> list[str]:
    """The words of a text, in order, compounds whole: "A well-made film" -> ["a", "well-made", "film"]."""
    return WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def utilities(text: str, table: dict[str, float]) -> list[tuple[str, float]]:
    """(word, utility) of every word of the text that the table holds, in order."""
    pairs = []
    for word in words(text):
        parts = [word] if word in table else word.split("-")
        pairs += [(part, table[part]) for part in parts if part in table]
    return pairs


def utility(text: str, table: dict[str, float]) -> float:
    """Equation 3: clip(sum of word utilities / 5, -10, 10)."""
    total = math.fsum(value for _, value in utilities(text, table)) / SCALE
    return max(-CLIP, min(CLIP, total))


def load_table(source: str) -> dict[str, float]:
    """The utility table named by the config: `vader`, or a CSV file with the columns word and utility.

    Raises UserError naming the file and row for a row without a finite number, a word given twice with different
    utilities, and a missing column or file.
    """
    return _vader() if source == "vader" else _csv(source)


def _vader() -> dict[str, float]:
    from importlib.resources import files

    table = {}
    for line in files("vaderSentiment").joinpath("vader_lexicon.txt").read_text(encoding="utf-8").splitlines():
        if line.strip():
            word, value = line.split("\t")[:2]
            table[word.lower()] = float(value)
    return table


def _csv(path: str) -> dict[str, float]:
    table: dict[str, float] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = {"word", "utility"} - set(rows.fieldnames or [])
            if missing:
                raise UserError(f"{path}: no column {' and '.join(sorted(missing))}; a lexicon has the columns word,utility")
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                word = (row["word"] or "").strip().lower()
                if words(word) != [word]:
                    raise UserError(f"{where}: {word!r} is not a single word, so it could never be counted")
                try:
                    value = float(row["utility"])
                except (TypeError, ValueError):
                    value = math.nan
                if not math.isfinite(value):
                    raise UserError(f"{where}: the utility of {word!r} is {row['utility']!r}, not a number")
                if table.setdefault(word, value) != value:
                    raise UserError(f"{where}: {word!r} has two utilities, {table[word]} and {value}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a lexicon ({error})") from error
    if not table:
        raise UserError(f"{path}: the lexicon is empty")
    return table


def utility_reward(table: dict[str, float]) -> Reward:
    """The overseer of section 4.2 as a reward function."""
    return partial(_utilities_of, table=table)


def _utilities_of(texts: list[str], table: dict[str, float]) -> list[float]:
    return [utility(text, table) for text in texts]


def load(entry: dict, folder: str | Path | None = None, device: object = "cpu") -> Reward:
    """The reward function of a `rewards:` entry of the config: its word table's, its own (`file.py:name`), its classifier's.

    Only a classifier needs `folder`, where it is stored, and the torch `device` that it computes on.
    """
    if entry.get("words"):
        return utility_reward(load_table(entry["words"]))
    if entry.get("function"):
        return partial(_checked, function=_function(entry["function"]), source=entry["function"])
    from rewardscope import logits  # and transformers, which other rewards do not need

    return logits.reward(folder, entry["classifier"]["positive"], device)


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
