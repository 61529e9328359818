"""Mistakes in the configuration in plain words: one line that names the dotted key and what is right."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

from pydantic import ValidationError

LIBRARIES = ("corpora", "models", "rewards", "sae_recipes")
RIGHT = {  # what to say about a kind of pydantic error
    "int_type": "it must be a whole number", "float_type": "it must be a number", "finite_number": "it must be a finite number",
    "bool_type": "it must be true or false", "string_type": "it must be text", "tuple_type": "it must be a list",
    "dict_type": "it must be a map", "model_type": "it must be a map", "too_long": "it must have {max_length} entries",
    "greater_than": "it must be more than {gt:g}", "less_than": "it must be less than {lt:g}",
    "greater_than_equal": "it must be at least {ge:g}", "less_than_equal": "it must be at most {le}", "literal_error": "known: {expected}",
}  # fmt: skip


def lines(error: ValidationError) -> list[str]:
    """A line per mistake, misspelt keys first; one that several entries of a library inherit counts once."""
    first: dict[tuple, str] = {}
    for e in sorted(error.errors(include_url=False), key=lambda e: (e["type"] != "unknown_keys", e["loc"][:1] == ("rewards",))):
        section, *rest = e["loc"] or ("",)
        place = ("rlhf" if section == "rewards" else section, *rest[section in LIBRARIES :])  # without the entry's name
        for text, hint in _mistakes(e["type"], e["loc"], e["input"], e.get("ctx", {})):
            first.setdefault((place, text), f"{where(e['loc'])}{text}{hint}".removeprefix("."))
    return list(first.values())


def _mistakes(kind: str, loc: tuple, value: object, context: dict) -> Iterator[tuple[str, str]]:
    """A pydantic error in plain words: what goes on where the dotted key of its place ends, and a hint."""
    if kind == "unknown_keys":
        for key in context["unknown"]:
            yield f"{_tail((key,))} is not a key; ", _hint(show(key), context["known"], f"{_tail(loc)}.".removeprefix("."))
    elif kind == "missing":
        yield " is missing; config.yaml says what it is", ""
    elif kind in ("misfits", "value_error"):  # of our own checks
        yield from ((str(text), "") for text in context.get("texts") or [context["error"]])
    else:
        text = "the text " if kind.endswith("_type") and isinstance(value, str) else ""
        right = RIGHT[kind].format(**context).replace("'", "") if kind in RIGHT else kind
        exponent = kind == "float_type" and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", show(value))
        yield f" is {text}{show(value)}; {right}", " (YAML needs a point: 1.0e-4)" if exponent else ""


def show(value: object) -> str:
    """A value on one short line."""
    if value is None or isinstance(value, bool):
        return "empty" if value is None else str(value).lower()
    if isinstance(value, Mapping | list | tuple | set):
        return "a map" if isinstance(value, Mapping) else f"a list of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a huge number"
    text = value if isinstance(value, str) and re.fullmatch(r"[\w./:@+-]+", value) else repr(value)
    return text if len(text) <= 70 else text[:67] + "..."


def where(loc: tuple) -> str:
    """A place as a dotted key: ("pairs", 0, "model") is pairs[0].model."""
    return _tail(loc).removeprefix(".")


def _tail(loc: tuple) -> str:
    return "".join(f"[{show(part)}]" if isinstance(part, int) else f".{show(part)}" for part in loc)


def unknown(name: str, section: str, library: Iterable[str]) -> str:
    """What is wrong with a name that its library does not hold."""
    return f" is {show(name)}, which is not under {section}; {_hint(show(name), sorted(library))}"


def _hint(name: str, known: list[str], place: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {place}{near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
