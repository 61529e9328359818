"""Mistakes in the configuration in plain words: one line that names the dotted key and what is right."""
import difflib
import re
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

LIBRARIES = ("corpora", "models", "rewards", "sae_recipes")
RIGHT = {  # what to say about a kind of pydantic error
    "int_type": "it must be a whole number", "float_type": "it must be a number", "finite_number": "it must be a finite number",
    "bool_type": "it must be true or false", "string_type": "it must be text", "tuple_type": "it must be a list",
    "dict_type": "it must be a map", "model_type": "it must be a map", "too_long": "it must have {max_length} entries",
    "greater_than": "it must be more than {gt:g}", "greater_than_equal": "it must be at least {ge:g}",
    "less_than": "it must be less than {lt:g}", "less_than_equal": "it must be at most {le}",
    "literal_error": "known: {expected}", "value_error": "it must be {error}",
}  # fmt: skip


def type_errors(error: ValidationError) -> list[str]:
    """A line per mistake, misspelt keys first; one place in several entries of a library counts once."""
    first: dict[tuple, list[str]] = {}
    for e in sorted(error.errors(include_url=False), key=lambda e: (e["type"] != "unknown_keys", e["loc"][:1] == ("rewards",))):
        section, *rest = e["loc"] or ("",)
        place = ("rlhf" if section == "rewards" else section, *rest[section in LIBRARIES :])  # without the entry's name
        first.setdefault(place, list(_lines(e["type"], e["loc"], e["input"], e.get("ctx", {}))))
    return [line for lines in first.values() for line in lines]


def _lines(kind: str, loc: tuple, value: object, context: dict) -> Iterator[str]:
    """A pydantic error in plain words."""
    if kind == "unknown_keys":
        for key in context["unknown"]:
            near = difflib.get_close_matches(show(key), context["known"], n=1)
            hint = f"did you mean {where((*loc, near[0]))}?" if near else f"known: {', '.join(context['known'])}"
            yield f"{where((*loc, key))} is not a key; {hint}"
    elif kind == "missing":
        yield f"{where(loc)} is missing; config.yaml says what it is"
    else:
        text = "the text " if kind.endswith("_type") and isinstance(value, str) else ""
        right = RIGHT[kind].format(**context).replace("'", "") if kind in RIGHT else kind
        exponent = kind == "float_type" and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", show(value))
        yield f"{where(loc)} is {text}{show(value)}; {right}" + (" (YAML needs a point: 1.0e-4)" if exponent else "")


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
    return "".join(f"[{show(part)}]" if isinstance(part, int) else f".{show(part)}" for part in loc).removeprefix(".")


def unknown(key: str, name: str, section: str, library: Mapping) -> str:
    near = difflib.get_close_matches(show(name), sorted(library), n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(library)) or 'none'}"
    return f"{key} is {show(name)}, which is not under {section}; {hint}"
