"""Overlays with one mistake each, and what the line about it must name."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from config_keys import IN_USE, leaves, named, overlay
from staleness import DEFAULT, TABLE, TEST_SIZE, changed, entry, merge
from workflow_runs import SMALL

from rewardscope.config.config import ConfigError, load

WRONG_KIND = {"integer": "many", "number": "many", "boolean": "perhaps", "string": 7, "array": 7}
HOSTILE = {"wildcard": "{wildcards}", "shell": "$(touch x)", "newline": "a\nb", "quote": "a'b", "control": "a\x1bb"}  # as name or text
HOSTILE_NAMES = HOSTILE | {
    "ticks": "`touch x`", "quotes": 'a"b', "redirection": "a>b", "separator": "a\u2028b", "variable": "$HOME",
    "above": "../x", "folder": "a/b", "absolute": "/tmp/x", "dots": "..", "hidden": ".x", "option": "-rf", "empty": "", "space": "a b",
    "fullwidth": "\uff41", "cyrillic": "\u0430dmin", "zero width": "a\u200bb", "right to left": "a\u202eb", "combining": "e\u0301",
    "dash": "-x", "two dots": "a..b", "line's end": "a\n", "umlaut": "\u00e4", "less": "<a", "nothing": None,
    "long": "x" * 65, "very long": "x" * 10_000, "percent": "%s", "list": "a;b", "home": "~", "number": 7, "flag": True,
}  # fmt: skip


def of_a_kind(mutations: dict[str, tuple[dict, str]]) -> dict[str, tuple[dict, str]]:
    """Of every kind of mistake the first in every type of key: what the tests of every day take."""
    forms, first = leaves(), {}
    for what in mutations:
        key, mistake = what.split(": ", 1)
        form = forms.get(key, {})
        first.setdefault((mistake, type_of(form)), what)
    return {what: mutations[what] for what in first.values()}


def type_of(form: dict) -> tuple:
    """What the values of a key are: a number with a lower limit, text, one of several words, a list of ..."""
    return form.get("type"), "enum" in form, "exclusiveMinimum" in form, "prefixItems" in form, form.get("items", {}).get("type")


def mutations() -> dict[str, tuple[dict, str]]:
    """What is wrong -> an overlay, and the dotted key that the line must name."""
    overlays = {}
    for key, schema in leaves().items():
        wrong = (
            {"kind": WRONG_KIND[schema["type"]]} if entry(key) is not TABLE.get(key) else dict(_wrong(schema)) | OWN.get(key, {})
        )  # `rlhf` has them all
        for what, value in wrong.items():
            overlays[f"{key}: {what}"] = changed(key, value), _place(key)
        misspelt = overlay(f"{key}x", entry(key)["to"], DEFAULT["pairs"][0])
        overlays[f"{key}: misspelt"] = merge(entry(key).get("with", {}), misspelt), _place(f"{key}x")
    overlays["samples: of a deterministic explainer"] = {"samples": 3}, "samples"  # without the explainer that its line has
    for library in IN_USE:
        good = next(iter(DEFAULT[library].values()))
        for what, name in HOSTILE_NAMES.items():
            overlays[f"{library}: name {what}"] = {library: {name: good}}, library
        for what, value in (("empty", None), ("list", [1]), ("text", "x"), ("empty map", {})):
            overlays[f"{library}: entry {what}"] = {library: {"mine": value}}, f"{library}.mine"
        overlays[f"{library}: list"] = {library: [1]}, library
        overlays[f"{library}: like itself"] = {library: {"mine": {"like": "mine"}}}, f"{library}.mine.like"
    for section in ("threads", "picks", "rlhf", "activations", "features", "explain", "llm", "completions", "pairs"):
        for what, value in (("empty", None), ("text", "x"), ("number", 1), ("list", [1])):
            overlays[f"{section}: {what}"] = {section: value}, section
    return overlays


OWN = {  # what only one key can get wrong
    "results": {"above": "../x", "above inside": "a/../../x", "absolute": "/tmp/x", "home": "~/x", "here": "."},
    "cache": {"in results": "results/paid"},
    "pairs[].model": {"unknown": "tini"},
    "pairs[].reward": {"unknown": "utilty"},
    "pairs[].name": {what: name for what, name in HOSTILE_NAMES.items() if name} | {"empty": "", "a reward's": "utility"},
    "pairs[].corpus": {"unknown": "review"},
    "picks.top": {"too many": 9},
    "picks.low": {"too many": 9},
    "layers": {"twice": [1, 1], "too deep": [4]},
    "controls": {"unknown": ["papper"]},
    "recipe": {"unknown": "papper"},
    "corpora.*.path.train": {"form": "a.zip"},
    "corpora.*.hub.name": {"above": "../x", "address": "https://a/b"},
    "models.*.hub": {"above": "../x", "address": "https://a/b"},
    "models.*.sae.widths": {"reversed": [64, 32], "equal": [64, 64]},
    "models.*.pretrain.d_model": {"no multiple of heads": 7},
    "rewards.*.words": {"form": "a.txt"},
    "rewards.*.function": {"no name": "a.py", "call": "a.py:f()"},
    "rewards.*.twin_of": {"unknown": "othr", "itself": "utility"},
    "rlhf.prompt_tokens": {"reversed": [9, 2]},
    "activations.tokens": {"too long": 4096},
    "llm.base_url": {"no address": "api", "key in it": "https://key@a/v1", "query": "https://a/v1?key=x"},
}


def _wrong(schema: dict) -> Iterator[tuple[str, object]]:
    """Values that the schema of a key refuses."""
    kind = schema["type"]
    yield "kind", WRONG_KIND[kind]
    if not schema["nullable"]:
        yield "empty", None
    if kind in ("integer", "number"):
        yield "below", schema["exclusiveMinimum"] if "exclusiveMinimum" in schema else schema["minimum"] - 1
    if kind == "integer":
        yield "above", schema["maximum"] + 1
        yield "huge", 10**400
    if kind == "number":
        yield from (("not a number", float("nan")), ("infinite", float("inf")), ("huge", 10**400))
    if "enum" in schema or "const" in schema:
        yield "unknown", "nothing"
    if kind == "string":
        yield from HOSTILE.items()
    if kind == "array":
        yield from (("nothing in it", [None]), ("nested", [[1, 2]]), ("too many", [1] * 3)) if "prefixItems" in schema else [("text in it", ["x"])]


def _place(key: str) -> str:
    """The key as the line names it."""
    section, *rest = key.split(".")
    return ".".join([section.replace("[]", "[0]"), *named(section, rest)])


def complaint(overlay: dict) -> str:
    """What `load` says about an overlay."""
    with pytest.raises(ConfigError) as caught:
        load(merge(TEST_SIZE, overlay))
    return str(caught.value)


def refused(folder: Path, text: bytes, served) -> str:
    """The one line that Snakemake prints about an overlay before it has written anything of ours."""
    (folder / "overlay.yaml").write_bytes(text)
    run = served(folder, "--configfile", str(SMALL), "overlay.yaml")
    lines = [line for line in (run.stdout + run.stderr).splitlines() if "profile" not in line and not line.startswith("Config file")]
    assert run.returncode != 0 and len(lines) == 1, lines
    assert set(os.listdir(folder)) <= {"overlay.yaml", ".snakemake"}  # Snakemake's own folder
    return lines[0]


def check(overlay: dict, served, folder: Path) -> None:
    """Assert that Snakemake says what `load` says."""
    assert refused(folder, yaml.safe_dump(overlay).encode(), served) == f"rewardscope: {complaint(overlay)}"
